"""The features of write_api, wired in one place: each is handed what it needs of the others as a callable."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from argon2 import PasswordHasher
from fastapi import FastAPI

from mini_auth.guest_links import GuestLinkDesk
from service_kit.database import Pool
from service_kit.rate_limits import RateLimiter
from service_kit.reconciled_limits import ReconciledLimiter
from write_api.account_links import AccountLinks
from write_api.accounts import routes as accounts_routes
from write_api.accounts.administered import AccountAdministration
from write_api.accounts.limits import mail_limits, sign_up_limits
from write_api.accounts.password_service import PasswordService
from write_api.accounts.passwords import PasswordHashing
from write_api.accounts.service import AccountService
from write_api.accounts.store import AccountStore
from write_api.administration import routes as administration_routes
from write_api.administration.service import AdministrationService
from write_api.administration.store import AdministrationStore
from write_api.api_keys import routes as api_keys_routes
from write_api.api_keys.service import ApiKeyService
from write_api.api_keys.store import ApiKeyStore
from write_api.audit_log import AuditLog
from write_api.bookings import routes as bookings_routes
from write_api.bookings.attendees import AttendeeStore
from write_api.bookings.batches import BookingQueues, Confirm
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.limits import BookingLimits
from write_api.bookings.offers import WaitlistSale
from write_api.bookings.placing import BookingPlacing
from write_api.bookings.queued_cancels import QueuedCancels
from write_api.bookings.service import BookingService
from write_api.bookings.settling import SeatSettling
from write_api.bookings.store import BookingStore
from write_api.bookings.supply_store import SupplyStore
from write_api.catalogue import routes as catalogue_routes
from write_api.catalogue.administered import EventAdministration
from write_api.catalogue.service import CatalogueService
from write_api.catalogue.store import CatalogueStore
from write_api.catalogue.ticket_types import TicketTypeService
from write_api.guests import routes as guests_routes
from write_api.guests.service import GuestService
from write_api.guests.store import GuestStore
from write_api.idempotency import IdempotentRequests
from write_api.notifications.store import NotificationStore
from write_api.orders import routes as orders_routes
from write_api.orders.service import OrderService
from write_api.orders.store import OrderStore
from write_api.organisation_access import OrganisationAccess
from write_api.organisations import routes as organisations_routes
from write_api.organisations.service import OrganisationService
from write_api.organisations.store import OrganisationStore
from write_api.personal_data import routes as personal_data_routes
from write_api.personal_data.service import PersonalDataService
from write_api.personal_data.store import PersonalDataStore
from write_api.seat_blocks import SeatSupply
from write_api.sessions import routes as sessions_routes
from write_api.sessions.administered import SessionAdministration
from write_api.sessions.login_limits import login_limits
from write_api.sessions.refresh_tokens import RefreshTokens
from write_api.sessions.service import SessionService
from write_api.sessions.store import SessionStore
from write_api.settings import WriteApiSettings
from write_api.waitlist import routes as waitlist_routes
from write_api.waitlist.offers import WaitlistOffers
from write_api.waitlist.queued_joins import JoinQueues
from write_api.waitlist.service import WaitlistService
from write_api.waitlist.store import WaitlistStore

ROUTERS = tuple(
    routes.router
    for routes in (
        accounts_routes,
        sessions_routes,
        api_keys_routes,
        guests_routes,
        organisations_routes,
        personal_data_routes,
        catalogue_routes,
        bookings_routes,
        orders_routes,
        waitlist_routes,
        administration_routes,
    )
)


@dataclass(frozen=True, slots=True)
class Features:
    """What the features share; `prepare` makes their services, which routes find in `app.state`."""

    settings: WriteApiSettings
    pool: Pool
    booking_pool: Pool
    audit_log: AuditLog
    account_store: AccountStore
    booking_store: BookingStore
    freed_seats: FreedSeats
    waitlist_sale: WaitlistSale
    waitlist_offers: WaitlistOffers
    idempotent_requests: IdempotentRequests
    account_links: AccountLinks
    guest_links: GuestLinkDesk
    notifications: NotificationStore
    sign: Callable[[Mapping[str, Any]], str]
    hasher: PasswordHasher
    confirm_bookings: Confirm
    confirmation_seconds: Callable[[], float]

    def prepare(self, app: FastAPI, stack: AsyncExitStack) -> None:
        """The one place where features meet: the bookings make the seats of the catalogue's events."""
        passwords = PasswordHashing(self.hasher)
        stack.callback(passwords.close)
        bookings = app.state.bookings = BookingService(
            self.pool,
            self.booking_store,
            hold_seconds=self.settings.hold_seconds,
            freed_seats=self.freed_seats,
        )
        api_keys = app.state.api_keys = ApiKeyService(self.pool, ApiKeyStore(), self.audit_log)
        queues = BookingQueues(
            self.booking_pool,
            self.booking_store,
            hold_seconds=self.settings.hold_seconds,
            confirm=self.confirm_bookings,
            confirmation_seconds=self.confirmation_seconds,
            freed_seats=self.freed_seats,
        )
        self.freed_seats.listen(queues.sold_out.forget)
        stack.push_async_callback(queues.close)
        app.state.booking_queues = queues
        app.state.cancels = QueuedCancels(self.pool, self.booking_store, queues, bookings)
        attendees = AttendeeStore()
        app.state.orders = OrderService(
            self.pool,
            OrderStore(),
            BookingPlacing(self.booking_store, hold_seconds=self.settings.hold_seconds),
            self.idempotent_requests,
            seats_freed=self.freed_seats.tell,
        )

        rate_limiter = RateLimiter(self.settings.redis)
        stack.push_async_callback(rate_limiter.close)
        tries = ReconciledLimiter(self.settings.redis)
        stack.push_async_callback(tries.close)
        booking_limits = BookingLimits(tries, times=self.settings.request_limits_times)
        app.state.booking_limits = booking_limits
        app.state.count_try_for_seats = booking_limits.count_try
        waitlist_store = WaitlistStore()
        joins = JoinQueues(
            self.booking_pool, waitlist_store, sale=self.waitlist_sale, offers=self.waitlist_offers
        )
        stack.push_async_callback(joins.close)
        app.state.waitlist_joins = joins
        waitlist = WaitlistService(self.pool, waitlist_store, joins=joins, decline=bookings.cancel)
        app.state.waitlist = waitlist
        account_mail_limits = mail_limits(rate_limiter)
        accounts = AccountService(
            self.pool,
            self.account_store,
            passwords,
            self.audit_log,
            notify=self.notifications.enqueue,
            links=self.account_links,
            sign_up_limits=sign_up_limits(rate_limiter),
            mail_limits=account_mail_limits,
        )
        app.state.accounts = accounts
        organisation_store = OrganisationStore()
        organisations = OrganisationService(
            self.pool,
            organisation_store,
            self.audit_log,
            find_person=accounts.find_person,
            confirmed_email=accounts.confirmed_email,
        )
        app.state.organisations = organisations
        access = OrganisationAccess(organisations.own_organisation, organisation_store.may_host)
        settling = SeatSettling(self.pool, SupplyStore(), self.freed_seats)
        supply = SeatSupply(self.booking_store.make_seats, settling.change, settling.settle)
        catalogue = (self.pool, CatalogueStore(), self.audit_log, access, supply)
        app.state.catalogue = CatalogueService(*catalogue, requests=self.idempotent_requests)
        app.state.ticket_types = TicketTypeService(*catalogue, requests=self.idempotent_requests)
        guests = GuestService(
            self.pool,
            GuestStore(),
            add_person=accounts.add_person_without_password,
            links=self.guest_links,
            notify=self.notifications.enqueue,
            limiter=rate_limiter,
        )
        app.state.guests = guests
        sessions = SessionService(
            self.pool,
            SessionStore(),
            self.audit_log,
            check_password=accounts.check_password,
            find_person=accounts.find_person,
            find_email=accounts.find_email,
            roles_as_member=organisation_store.roles_as_member,
            sign=self.sign,
            refresh_tokens=RefreshTokens(self.settings.key_sealing_bytes),
            login_limits=login_limits(rate_limiter),
            issuer=self.settings.token_issuer,
            audience=self.settings.token_audience,
        )
        app.state.sessions = sessions
        app.state.passwords = PasswordService(
            self.pool,
            self.account_store,
            passwords,
            self.audit_log,
            notify=self.notifications.enqueue,
            links=self.account_links,
            mail_limits=account_mail_limits,
            confirm_password=sessions.confirm_password,
            end_sessions=sessions.end_for_new_password,
        )
        app.state.personal_data = PersonalDataService(
            self.pool,
            PersonalDataStore(),
            self.audit_log,
            confirm_password=sessions.confirm_password,
            # The sessions' lock comes before any row's; by the account's e-mail its mails are found.
            erasures=(
                sessions.erase,
                # Before the person's row is locked: who offers seats locks the entry first.
                waitlist.erase,
                api_keys.erase,
                self.notifications.erase,
                organisations.erase,
                accounts.erase,
                guests.erase,
                self.idempotent_requests.erase,
                attendees.erase,
            ),
            limiter=rate_limiter,
        )
        app.state.administration = AdministrationService(
            self.pool,
            AdministrationStore(),
            self.audit_log,
            accounts=AccountAdministration(),
            sessions=SessionAdministration(SessionStore()),
            events=EventAdministration(CatalogueStore()),
        )
