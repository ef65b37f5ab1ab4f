"""Staff accounts, sessions and tokens."""

import pytest
from argon2 import PasswordHasher

from hub.line.plan import HOUR, MINUTE
from hub.store import Store, schema, staff
from hub.store.staff import Identity, Person, SignInRefused, StaffError, TooManyTries
from tests.store.mornings import NINE, rows
from tests.store.test_log import together

PASSWORD = "quatre gats al sol"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cheap argon2id: what is tried here is when a password is asked for, not how long it takes to judge."""
    monkeypatch.setattr(staff, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def anna(store: Store) -> Person:
    """A clerk of one office."""
    staff.add_person(store, "anna", PASSWORD, "clerk", NINE, "mont-roig")
    return Person("anna", (("mont-roig", "clerk"),))


def fails(store: Store, times: int, name: str = "anna", now: int = NINE) -> None:
    """So many wrong passwords, one after the other."""
    for _ in range(times):
        with pytest.raises(SignInRefused, match="wrong name or password"):
            staff.sign_in(store, name, "not the password", now)


def test_who_signs_in_is_known_by_the_session(store: Store, other: Store, anna: Person) -> None:
    secret = staff.sign_in(store, "anna", PASSWORD, NINE)

    assert staff.signed_in(other, secret, NINE + MINUTE) == anna


def test_passwords_are_kept_as_argon2id_and_secrets_as_digests(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staff, "_hasher", PasswordHasher())
    staff.add_person(store, "anna", PASSWORD, "clerk", NINE)
    secret = staff.sign_in(store, "anna", PASSWORD, NINE)
    token = staff.new_token(store, "clerk", NINE)

    kept = str([rows(store, table) for table in (schema.staff, schema.sessions, schema.tokens)])

    assert rows(store, schema.staff)[0]["password"].startswith("$argon2id$")
    assert not any(word in kept for word in (PASSWORD, secret, token))


@pytest.mark.parametrize("name", ["anna", "nobody", "", "a\x00b", "\ud800", "n" * 5000, "anna "])
def test_a_wrong_name_and_a_wrong_password_are_refused_in_the_same_words(store: Store, anna: Person, name: str) -> None:
    with pytest.raises(SignInRefused, match="^wrong name or password$"):
        staff.sign_in(store, name, "\ud800 not the password", NINE)


def test_the_sixth_try_after_five_wrong_passwords_has_to_wait(store: Store, anna: Person) -> None:
    fails(store, 5)

    with pytest.raises(TooManyTries) as refused:
        staff.sign_in(store, "anna", PASSWORD, NINE)

    assert refused.value.seconds == 1
    assert staff.sign_in(store, "anna", PASSWORD, NINE + 1000)


def test_the_wait_doubles_up_to_a_quarter_of_an_hour(store: Store, anna: Person) -> None:
    fails(store, 5)
    now, waits = NINE, []
    for _ in range(12):
        with pytest.raises(TooManyTries) as refused:
            staff.sign_in(store, "anna", PASSWORD, now)
        waits.append(refused.value.seconds)
        now += refused.value.seconds * 1000
        fails(store, 1, now=now)

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_tries_made_all_at_once_are_counted_too(store: Store, other: Store, anna: Person) -> None:
    def attempt(s: Store) -> str:
        return staff.sign_in(s, "anna", "not the password", NINE)

    refused = together(*(lambda s=s: attempt(s) for s in (store, other) * 5))

    assert all(isinstance(error, SignInRefused) for error in refused)
    assert sum(not isinstance(error, TooManyTries) for error in refused) == 5


def test_names_that_nobody_has_wait_like_the_others(store: Store) -> None:
    fails(store, 5, "nobody")

    with pytest.raises(TooManyTries):
        staff.sign_in(store, "nobody", PASSWORD, NINE)


def test_one_name_that_waits_does_not_make_another_wait(store: Store, anna: Person) -> None:
    fails(store, 5, "pere")

    assert staff.sign_in(store, "anna", PASSWORD, NINE)


def test_a_right_password_forgets_the_wrong_ones(store: Store, anna: Person) -> None:
    fails(store, 4)
    staff.sign_in(store, "anna", PASSWORD, NINE)

    fails(store, 5)


def test_wrong_passwords_of_long_ago_are_forgotten(store: Store, anna: Person) -> None:
    fails(store, 3, "pere")
    fails(store, 3, "nuria", NINE + 20 * HOUR)

    staff.sign_in(store, "anna", PASSWORD, NINE + 25 * HOUR)

    assert [row["name"] for row in rows(store, schema.failures)] == ["nuria"]


def test_a_session_ends_when_it_is_not_used_for_an_hour(store: Store, anna: Person) -> None:
    secret = staff.sign_in(store, "anna", PASSWORD, NINE)

    assert staff.signed_in(store, secret, NINE + 60 * MINUTE)
    assert staff.signed_in(store, secret, NINE + 120 * MINUTE)
    assert staff.signed_in(store, secret, NINE + 181 * MINUTE) is None


def test_every_session_ends_after_a_working_day(store: Store, anna: Person) -> None:
    secret = staff.sign_in(store, "anna", PASSWORD, NINE)
    used = [staff.signed_in(store, secret, NINE + half * HOUR // 2) for half in range(25)]

    assert all(used)
    assert staff.signed_in(store, secret, NINE + 12 * HOUR + 1) is None


def test_who_signs_out_is_out(store: Store, anna: Person) -> None:
    secret = staff.sign_in(store, "anna", PASSWORD, NINE)

    staff.sign_out(store, secret, NINE)

    assert staff.signed_in(store, secret, NINE) is None


@pytest.mark.parametrize("secret", ["", "x", "\ud800", "a\x00b"])
def test_a_made_up_secret_opens_nothing(store: Store, secret: str) -> None:
    assert staff.signed_in(store, secret, NINE) is None
    assert staff.bearer(store, secret) is None


def test_a_new_password_ends_the_sessions_and_the_waiting(store: Store, anna: Person) -> None:
    secret = staff.sign_in(store, "anna", PASSWORD, NINE)
    fails(store, 5)

    staff.add_person(store, "anna", "un altre mot de pas", "manager", NINE)

    assert staff.signed_in(store, secret, NINE) is None
    again = staff.sign_in(store, "anna", "un altre mot de pas", NINE)
    assert staff.signed_in(store, again, NINE) == Person("anna", (("", "manager"),))


@pytest.mark.parametrize(
    ("name", "password", "role", "reason"),
    [
        ("anna", PASSWORD, "queen", "role 'queen': must be one of clerk, operator, manager, admin"),
        ("", PASSWORD, "clerk", "name: must be 1 to 64 printable characters"),
        ("a\x00b", PASSWORD, "clerk", "name: must be 1 to 64 printable characters"),
        ("n" * 65, PASSWORD, "clerk", "name: must be 1 to 64 printable characters"),
        ("anna", "too short", "clerk", "password: must have at least 10 characters"),
        ("hub", PASSWORD, "clerk", "name: hub is nobody of the staff in the log"),
    ],
)
def test_an_account_that_cannot_be_made_says_why(
    store: Store, name: str, password: str, role: str, reason: str
) -> None:
    with pytest.raises(StaffError, match=reason):
        staff.add_person(store, name, password, role, NINE)

    assert rows(store, schema.staff) == []


def test_a_token_says_whose_it_is(store: Store) -> None:
    token = staff.new_token(store, "operator", NINE, "mont-roig")

    person = staff.bearer(store, token)

    assert person.roles == (("mont-roig", "operator"),)
    assert len(token) >= 43  # 256 bits in base64url
    with pytest.raises(StaffError):
        staff.new_token(store, "queen", NINE)


@pytest.mark.parametrize(
    ("role", "needed", "may"),
    [("clerk", "clerk", True), ("clerk", "operator", False), ("manager", "operator", True), ("admin", "manager", True)],
)
def test_a_higher_role_may_do_what_a_lower_one_may(role: str, needed: str, may: bool) -> None:
    assert Person("anna", (("", role),)).may(needed) == may


@pytest.mark.parametrize(
    ("own", "asked", "may"),
    [("", "x", True), ("x", "x", True), ("x", "y", False), ("x", None, True), ("x", "", False), ("", "", True)],
)
def test_a_person_of_one_office_acts_in_that_office(own: str, asked: str | None, may: bool) -> None:
    assert Person("anna", ((own, "clerk"),)).may("clerk", asked) == may


# --- roles by office, and accounts of a provider ----------------------------------------------


def vouched(*roles: tuple[str, str], subject: str = "1", name: str = "anna") -> Identity:
    return Identity("https://idp", subject, name, roles, "its token")


def test_each_office_has_its_own_role_and_a_change_ends_the_sessions(store: Store, anna: Person) -> None:
    before = staff.sign_in(store, "anna", PASSWORD, NINE)

    staff.give_role(store, "anna", "manager", NINE, "miami-platja")
    after = staff.sign_in(store, "anna", PASSWORD, NINE)

    assert staff.signed_in(store, before, NINE) is None
    assert staff.signed_in(store, after, NINE) == Person("anna", (("miami-platja", "manager"), ("mont-roig", "clerk")))


def test_who_has_no_role_left_is_nobody(store: Store, anna: Person) -> None:
    staff.take_role(store, "anna", NINE, "mont-roig")

    secret = staff.sign_in(store, "anna", PASSWORD, NINE)

    assert staff.signed_in(store, secret, NINE) is None
    with pytest.raises(StaffError, match="anna has no role at mont-roig"):
        staff.take_role(store, "anna", NINE, "mont-roig")


def test_a_providers_account_has_no_password(store: Store) -> None:
    staff.sign_in_by(store, vouched(("", "clerk")), NINE)

    for password in ("", PASSWORD):
        with pytest.raises(SignInRefused):
            staff.sign_in(store, "anna", password, NINE)
    with pytest.raises(StaffError, match="anna signs in with https://idp, without a password"):
        staff.add_person(store, "anna", PASSWORD, "admin", NINE)


def test_of_two_first_sign_ins_at_once_there_is_one_account(store: Store, other: Store) -> None:
    who = vouched(("", "clerk"))

    together(*(lambda s=s: staff.sign_in_by(s, who, NINE) for s in (store, other) * 3))

    assert [account.name for account in staff.accounts(store, NINE)] == ["anna"]


@pytest.mark.parametrize("name", ["hub", "citizen", "?", "\x00", "anna"])
def test_a_name_that_another_has_or_that_is_nobodys_gets_a_number(store: Store, anna: Person, name: str) -> None:
    secret = staff.sign_in_by(store, vouched(("", "clerk"), name=name), NINE)

    found = staff.signed_in(store, secret, NINE)

    assert found is not None
    assert found.name.endswith(" (2)")


def test_exports_are_open_for_ten_minutes_in_one_session(store: Store, anna: Person) -> None:
    here, there = (staff.sign_in(store, "anna", PASSWORD, NINE) for _ in range(2))

    staff.confirm(store, here, "anna", PASSWORD, NINE)

    assert staff.exports_until(store, here, NINE + 10 * MINUTE - 1) == NINE + 10 * MINUTE
    assert staff.exports_until(store, here, NINE + 10 * MINUTE) is None
    assert staff.exports_until(store, there, NINE) is None


def test_a_wrong_password_opens_no_exports_and_counts_like_any_other(store: Store, anna: Person) -> None:
    secret = staff.sign_in(store, "anna", PASSWORD, NINE)
    for _ in range(5):
        with pytest.raises(SignInRefused):
            staff.confirm(store, secret, "anna", "not the password", NINE)

    with pytest.raises(TooManyTries):
        staff.confirm(store, secret, "anna", PASSWORD, NINE)
    assert staff.exports_until(store, secret, NINE) is None


def test_only_sessions_that_are_open_are_still_open(store: Store, anna: Person) -> None:
    first, second = (staff.sign_in(store, "anna", PASSWORD, NINE) for _ in range(2))
    marks = {staff.digest(first), staff.digest(second), staff.digest("made up")}

    staff.sign_out(store, first, NINE)

    assert staff.still_open(store, marks, NINE) == {staff.digest(second)}
    assert staff.still_open(store, marks, NINE + 13 * HOUR) == set()


def test_a_token_is_removed_by_its_name(store: Store) -> None:
    token = staff.new_token(store, "clerk", NINE)

    staff.remove(store, staff.bearer(store, token).name, NINE)

    assert staff.bearer(store, token) is None
