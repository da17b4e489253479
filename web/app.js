// The search of Frontrow's start page. What comes from the API is text, never markup: names are anybody's.

const DEBOUNCE_MS = 150;
const ANNOUNCE_MS = 700;
const TIMEOUT_MS = 10_000;
const PAGE_SIZE = 12;
const MAX_PAGES = 20;
const FEW_SEATS = 10;

const byId = (id) => document.getElementById(id);
const form = byId("search");
const list = byId("list");
const template = byId("ticket");
const personZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

let page = 1;
let asking = null; // the AbortController of the request under way
let typing = 0;
let announcing = 0;

// --- Asking -----------------------------------------------------------------------------------------------

function criteria() {
  const values = new FormData(form);
  const body = { page, page_size: PAGE_SIZE };
  const text = String(values.get("text") ?? "").trim();
  if (text) body.text = text;
  else body.sort = "date";
  if (values.get("category")) body.category = values.get("category");
  if (!values.get("past")) body.start_from = new Date().toISOString();
  return body;
}

async function search({ append = false } = {}) {
  clearTimeout(typing);
  asking?.abort();
  const mine = (asking = new AbortController());
  const timer = setTimeout(() => mine.abort("timeout"), TIMEOUT_MS);
  if (!append) page = 1;
  const body = criteria();
  rememberInAddress();
  list.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch("/api/v1/search/events", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
      signal: mine.signal,
    });
    const content = await answer.json();
    if (mine !== asking) return;
    if (answer.ok) showEvents(content, body, answer.headers.get("X-Data-Age-Ms"), append);
    else showProblem(String(content.title ?? "That did not work"), String(content.detail ?? ""), append);
  } catch {
    if (mine !== asking) return; // a newer question has replaced this one
    showProblem("Frontrow can’t be reached", "Your search is kept. Check the connection, then try again.", append);
  } finally {
    clearTimeout(timer);
    if (mine === asking) list.setAttribute("aria-busy", "false");
  }
}

function rememberInAddress() {
  const address = new URL(location.href);
  const values = new FormData(form);
  for (const name of ["text", "category", "past"]) {
    const value = String(values.get(name) ?? "").trim();
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  history.replaceState(null, "", address);
}

function recallFromAddress() {
  const parameters = new URL(location.href).searchParams;
  form.elements.text.value = (parameters.get("text") ?? "").slice(0, form.elements.text.maxLength);
  const wanted = [...form.elements.category].find((one) => one.value === (parameters.get("category") ?? ""));
  if (wanted) wanted.checked = true;
  byId("past").checked = parameters.has("past");
}

// --- Showing ----------------------------------------------------------------------------------------------

function showEvents(answer, asked, ageMs, append) {
  const events = Array.isArray(answer.events) ? answer.events : [];
  const total = Number(answer.total) || 0;
  byId("note").hidden = true;
  const tickets = events.map(ticketOf);
  if (append) list.append(...tickets);
  else list.replaceChildren(...tickets);
  byId("heading").textContent = asked.text ? `“${asked.text}”` : asked.start_from ? "Coming up" : "All events";
  const found = total === 1 ? "1 event" : `${total.toLocaleString()} events`;
  byId("facts").textContent = [found, tookOf(answer), ageOf(ageMs)].filter(Boolean).join(" · ");
  byId("more").hidden = list.childElementCount >= total || !events.length || page >= MAX_PAGES;
  if (append && tickets.length) focusOn(tickets[0]);
  if (!total) {
    showNote("No such event", emptyAdvice(asked), false);
  }
  announce(total ? `${found} found` : "No event found");
}

const tookOf = (answer) => (Number.isFinite(answer.took_ms) ? `found in ${Math.round(answer.took_ms)} ms` : "");

function ageOf(ageMs) {
  const age = Number.parseInt(ageMs ?? "", 10);
  if (!Number.isFinite(age)) return "";
  return age < 10_000 ? `data is ${age.toLocaleString()} ms old` : `data is ${Math.round(age / 1000).toLocaleString()} s old`;
}

function emptyAdvice(asked) {
  if (asked.category) return "Try all kinds of events, or other words.";
  if (asked.start_from) return "Try other words, or look among past events too.";
  return "Try fewer or other words.";
}

function showProblem(title, text, append) {
  if (append) page -= 1; // what is shown stays; "Show more" asks again
  else list.replaceChildren();
  byId("more").hidden = !append;
  byId("facts").textContent = "";
  showNote(title, text, !append);
  announce(title);
}

function showNote(title, text, canRetry) {
  byId("note-title").textContent = title;
  byId("note-text").textContent = text;
  byId("retry").hidden = !canRetry;
  byId("note").hidden = false;
}

function announce(message) {
  clearTimeout(announcing); // one sentence when typing pauses, not one a letter
  announcing = setTimeout(() => { byId("announcement").textContent = message; }, ANNOUNCE_MS);
}

function focusOn(item) {
  const name = item.querySelector(".name");
  name.tabIndex = -1;
  name.focus();
}

// --- A ticket ---------------------------------------------------------------------------------------------

function ticketOf(event) {
  const item = template.content.firstElementChild.cloneNode(true);
  const put = (selector, text) => { item.querySelector(selector).textContent = text; };
  const zone = knownZone(event.time_zone);
  const start = new Date(event.start_at);
  const isPast = start < new Date();
  const isCancelled = event.status === "cancelled";
  put(".kind", kindOf(event, isPast, isCancelled));
  put(".name", String(event.name ?? ""));
  put(".where", placeOf(event));
  if (!Number.isNaN(start.getTime())) {
    putDate(item, put, start, zone);
  }
  put(".price", priceOf(event));
  putSeats(item.querySelector(".seats-left"), event, isPast || isCancelled);
  const description = String(event.description ?? "").trim();
  put(".description", description);
  item.querySelector(".story").hidden = !description;
  const language = event.languages?.[0];
  if (/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(language ?? "")) {
    for (const selector of [".name", ".description"]) item.querySelector(selector).lang = language;
  }
  item.firstElementChild.classList.toggle("past-event", isPast);
  item.firstElementChild.classList.toggle("cancelled", isCancelled);
  return item;
}

function putDate(item, put, start, zone) {
  const part = (options) => new Intl.DateTimeFormat(undefined, { timeZone: zone, ...options }).format(start);
  put(".day", new Intl.DateTimeFormat("en", { timeZone: zone, day: "numeric" }).format(start));
  put(".month", part({ month: "short" }));
  put(".year", part({ year: "numeric" }));
  const day = { weekday: "short", day: "numeric", month: "short" };
  const minute = { hour: "numeric", minute: "2-digit" };
  put(".there", part({ ...day, year: "numeric", ...minute, timeZoneName: "short" }));
  item.querySelector(".there").dateTime = start.toISOString();
  if (offsetMinutes(start, zone) !== offsetMinutes(start, personZone)) {
    const here = new Intl.DateTimeFormat(undefined, { ...day, ...minute });
    put(".here", `${here.format(start)} where you are`);
  }
}

function kindOf(event, isPast, isCancelled) {
  const state = isCancelled ? "Cancelled" : isPast ? "Past" : event.status === "inactive" ? "Not published" : "";
  return [String(event.category ?? ""), event.is_online ? "Online" : "", state].filter(Boolean).join(" · ");
}

function placeOf(event) {
  const venue = event.venue ?? {};
  const parts = [venue.name ?? event.location, venue.city, venue.country].filter(Boolean).map(String);
  return parts.filter((part, position) => !parts.slice(0, position).includes(part)).join(", ");
}

function priceOf(event) {
  if (typeof event.price !== "number") return "";
  if (event.price_minor_max === 0) return "Free";
  const price = event.price === 0 ? "free" : moneyOf(event.price, event.currency);
  return event.price_minor_max > event.price_minor ? `from ${price}` : price;
}

function moneyOf(amount, currency) {
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, trailingZeroDisplay: "stripIfInteger" }).format(amount);
  } catch {
    return `${amount} ${currency ?? ""}`.trim();
  }
}

function putSeats(element, event, isOver) {
  const left = event.available_seats;
  if (isOver || !Number.isInteger(left)) return;
  const few = left > 0 && left <= FEW_SEATS;
  element.textContent = left === 0 ? "Sold out" : few ? `Only ${left} left` : `${left.toLocaleString()} seats left`;
  element.classList.toggle("few", few);
  element.classList.toggle("none", left === 0);
}

function knownZone(name) {
  try {
    new Intl.DateTimeFormat(undefined, { timeZone: name });
    return name ?? "UTC";
  } catch {
    return "UTC"; // a zone that this browser has not heard of yet
  }
}

function offsetMinutes(instant, zone) {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
  }).formatToParts(instant);
  const get = (type) => Number(parts.find((part) => part.type === type).value);
  const local = Date.UTC(get("year"), get("month") - 1, get("day"), get("hour"), get("minute"));
  return Math.round((local - Math.floor(instant / 60_000) * 60_000) / 60_000);
}

// --- The person -------------------------------------------------------------------------------------------

form.addEventListener("submit", (event) => { event.preventDefault(); search(); });
form.addEventListener("input", (event) => {
  clearTimeout(typing);
  if (event.target.name === "text") typing = setTimeout(search, DEBOUNCE_MS);
  else search();
});
byId("past").addEventListener("change", () => search());
byId("retry").addEventListener("click", () => search());
byId("more").addEventListener("click", () => { page += 1; search({ append: true }); });
document.addEventListener("keydown", (event) => {
  const isTyping = /^(input|textarea|select)$/i.test(document.activeElement?.tagName ?? "") && document.activeElement.type !== "radio";
  if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  form.elements.text.focus();
});

byId("curl").textContent = byId("curl").textContent.replace("http://127.0.0.1:8080", location.origin);
recallFromAddress();
search();
