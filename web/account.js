// Where the links in mails lead: confirm an e-mail, or set a new password. The code is in the address's fragment,
// which is sent to nobody; it is taken out of the address at once, so that it stays in no history.

const TIMEOUT_MS = 10_000;
const byId = (id) => document.getElementById(id);
const FORMS = ["confirm", "reset", "forgotten"];

function say(title, text, form = null) {
  byId("title").textContent = title;
  byId("text").textContent = text;
  for (const name of FORMS) byId(name).hidden = name !== form;
}

async function send(address, body) {
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (answer.ok) return null;
    const problem = await answer.json();
    return { title: String(problem.title ?? "That did not work"), text: String(problem.detail ?? ""), status: answer.status };
  } catch {
    return { title: "Frontrow can’t be reached", text: "Check the connection, then try again.", status: 0 };
  }
}

function onSubmit(name, address, body, done) {
  byId(name).addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = byId(name).querySelector("button");
    button.disabled = true;
    const problem = await send(address, body(new FormData(byId(name))));
    button.disabled = false;
    if (problem === null) say(...done);
    else say(problem.title, problem.text, problem.status === 403 && name === "reset" ? "forgotten" : name);
  });
}

function start() {
  const [, name = "", code = ""] = /^#([a-z-]+)=?([\w-]*)$/.exec(location.hash) ?? [];
  history.replaceState(null, "", location.pathname);
  onSubmit("confirm", "/api/v1/accounts/confirm", () => ({ token: code }), [
    "Your e-mail is confirmed",
    "Log in again to use all that your account can do.",
  ]);
  onSubmit("reset", "/api/v1/password/reset", (values) => ({ token: code, password: values.get("password") }), [
    "Your password is set",
    "You were logged out everywhere. Log in with the new password.",
  ]);
  onSubmit("forgotten", "/api/v1/password/forgotten", (values) => ({ email: values.get("email") }), [
    "Look into your mail",
    "If the e-mail has an account, a link to set a new password is on its way.",
  ]);
  // A button, not the page itself: programs that look at links in mails must not confirm anything.
  if (name === "confirm-email") say("Confirm your e-mail", "Is this your account?", "confirm");
  else if (name === "reset-password") say("Set a new password", "You will be logged out everywhere.", "reset");
  else say("Forgotten your password?", "We mail you a link to set a new one.", "forgotten");
}

start();
