"""How the number of a ticket type's seats is decided, and followed by the seats themselves."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from write_api.bookings.supply import Supply


class Stock(RuleBasedStateMachine):
    """A ticket type as its rows would be: what is decided, what is taken, and the seats that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.supply = Supply(10, 0)
        self.decided, self.taken, self.free_rows = 10, 0, 10

    @rule(by=st.integers(-30, 30))
    def decide(self, by: int) -> None:
        changed = self.supply.changed(by)
        assert (changed is None) == (self.decided + by < self.taken), "only what nobody has can go"
        if changed is not None:
            self.supply, self.decided = changed, self.decided + by

    @rule(max_seats=st.integers(1, 7))
    def follow(self, max_seats: int) -> None:
        batch = self.supply.next_batch(max_seats)
        assert abs(batch) <= max_seats
        assert (batch == 0) == (self.supply.unsettled == 0)
        self.free_rows += batch
        self.supply = self.supply.settled(batch)

    @rule(quantity=st.integers(1, 5))
    def book(self, quantity: int) -> None:
        if quantity <= self.supply.remaining:
            self.supply = Supply(self.supply.remaining - quantity, self.supply.unsettled)
            self.taken, self.free_rows = self.taken + quantity, self.free_rows - quantity

    @rule(quantity=st.integers(1, 5))
    def give_back(self, quantity: int) -> None:
        if quantity <= self.taken:
            self.supply = Supply(self.supply.remaining + quantity, self.supply.unsettled)
            self.taken, self.free_rows = self.taken - quantity, self.free_rows + quantity

    @invariant()
    def what_can_be_sold_is_there(self) -> None:
        assert 0 <= self.supply.remaining <= self.free_rows
        assert self.taken + self.supply.remaining <= self.decided

    @invariant()
    def rows_follow_what_was_decided(self) -> None:
        assert self.taken + self.free_rows + self.supply.unsettled == self.decided
        assert self.free_rows == self.supply.remaining + max(-self.supply.unsettled, 0)


TestStock = Stock.TestCase


@given(st.integers(0, 50), st.integers(-50, 50), st.integers(1, 9))
def test_settling_comes_to_an_end_with_all_that_can_be_sold(
    remaining: int, unsettled: int, max_seats: int
) -> None:
    supply = Supply(remaining, unsettled)
    most = supply.removable
    while batch := supply.next_batch(max_seats):
        supply = supply.settled(batch)
    assert supply == Supply(most, 0)
