"""What is kept, what is renewed, what is revoked."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from provisioning.fleet import Fleet
from provisioning.keys import LASTS, RENEWED_BEFORE, Authority, Keys, KeysError, Wanted, ends, renewed, revoked
from tests.provisioning.fleets import BUTTON, NOW

ME = "montroig-dispenser-1"


def certificate(keys: Keys, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(keys[f"{name}.pem"])


def listed(keys: Keys) -> set[int]:
    return {each.serial_number for each in x509.load_pem_x509_crl(keys["crl.pem"])}


def without(fleet: Fleet, id: str) -> Fleet:
    devices = tuple(device for device in fleet.devices if device.id != id)
    return Fleet(**{**fleet.__dict__, "devices": devices})


def test_made_again_everything_stays_as_it_is(fleet: Fleet, keys: Keys) -> None:
    again, done = renewed(keys, fleet, NOW + timedelta(days=300))

    assert again == keys
    assert done == []


def test_a_certificate_near_its_end_is_made_anew_by_the_same_authority(fleet: Fleet, keys: Keys) -> None:
    late = NOW + LASTS - RENEWED_BEFORE + timedelta(days=1)

    again, done = renewed(keys, fleet, late)

    assert again["ca.pem"] == keys["ca.pem"]
    assert again[f"{ME}.pem"] != keys[f"{ME}.pem"]
    assert again[f"{BUTTON}.password"] == keys[f"{BUTTON}.password"]
    assert min(end for _, end in ends(again)) > late + timedelta(days=700)
    ended = certificate(keys, ME).not_valid_after_utc
    assert f"{ME}: a certificate is made (the old one ends on {ended:%Y-%m-%d})" in done
    assert listed(again) == set()  # both are this machine's: the old one may work until it ends


def test_a_certificate_says_whose_it_is_what_for_and_under_which_addresses(keys: Keys) -> None:
    mine, brokers = certificate(keys, ME), certificate(keys, "broker")

    assert mine.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == ME
    purposes = [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH, x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]
    found = [each.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value for each in (mine, brokers)]
    assert [list(each) for each in found] == [[purpose] for purpose in purposes]
    names = brokers.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_machine_whose_clock_stands_at_its_build_date_believes_the_broker(keys: Keys) -> None:
    built = datetime(2025, 6, 1, tzinfo=UTC)

    assert all(certificate(keys, name).not_valid_before_utc < built for name in ("ca", "broker"))
    assert certificate(keys, ME).not_valid_before_utc > built  # the broker's own clock judges this one


def test_when_the_hub_gets_another_address_only_its_servers_certificates_are_made_anew(
    fleet: Fleet, keys: Keys
) -> None:
    moved = Fleet(**{**fleet.__dict__, "hub": fleet.hub.model_copy(update={"addresses": ["10.9.8.7"]})})

    again, _ = renewed(keys, moved, NOW)

    assert {name for name in keys if again[name] != keys[name]} == {
        "broker.pem",
        "broker.key",
        "https.pem",
        "https.key",
    }


def test_a_device_that_leaves_the_fleet_is_revoked(fleet: Fleet, keys: Keys) -> None:
    after, done = renewed(keys, without(fleet, ME), NOW)

    assert f"{ME}.pem" not in after
    assert listed(after) == {certificate(keys, ME).serial_number}
    assert done == [f"{ME}: is no longer in the fleet; what it had is revoked"]


def test_a_microcontroller_that_leaves_the_fleet_loses_its_password(fleet: Fleet, keys: Keys) -> None:
    after, _ = renewed(keys, without(fleet, BUTTON), NOW)

    assert not [name for name in after if name.startswith(BUTTON)]


def test_what_was_revoked_stays_on_the_list_until_the_authority_ends(fleet: Fleet, keys: Keys) -> None:
    once, _ = renewed(revoked(keys, ME, NOW), fleet, NOW)
    twice, _ = renewed(revoked(once, ME, NOW), fleet, NOW + timedelta(days=400))

    assert listed(twice) == {certificate(each, ME).serial_number for each in (keys, once)}
    ends_at = x509.load_pem_x509_crl(twice["crl.pem"]).next_update_utc
    assert ends_at == certificate(twice, "ca").not_valid_after_utc


@pytest.mark.parametrize("years", [1, 5])
def test_a_clock_that_stands_years_back_is_named_and_nothing_is_made(fleet: Fleet, keys: Keys, years: int) -> None:
    wrong = NOW - timedelta(days=365 * years)

    with pytest.raises(KeysError, match=f"clock says {wrong:%Y-%m-%d}, but keys were made on {NOW:%Y-%m-%d}: set the"):
        renewed(keys, fleet, wrong)


def test_a_clock_of_before_this_program_was_written_makes_no_authority(fleet: Fleet) -> None:
    with pytest.raises(KeysError, match="this machine's clock says 2021-01-01"):
        renewed({}, fleet, datetime(2021, 1, 1, tzinfo=UTC))


def test_another_authoritys_certificate_is_made_anew(fleet: Fleet, keys: Keys) -> None:
    theirs, _ = renewed({}, fleet, NOW)
    mixed = {**keys, f"{ME}.pem": theirs[f"{ME}.pem"], f"{ME}.key": theirs[f"{ME}.key"]}

    again, done = renewed(mixed, fleet, NOW)

    assert Authority.of(again).signed(certificate(again, ME))
    assert done == [f"{ME}: a certificate is made (the old one was another authority's, or another key's)"]


def test_a_half_written_key_is_made_anew(fleet: Fleet, keys: Keys) -> None:
    again, done = renewed({**keys, f"{ME}.key": keys[f"{ME}.key"][:40]}, fleet, NOW)

    assert done == [f"{ME}: a certificate is made (the old one could not be read)"]
    assert again[f"{ME}.pem"] != keys[f"{ME}.pem"]


@pytest.mark.parametrize("file", ["ca.pem", "ca.key"])
@pytest.mark.parametrize("body", [None, b"", b"rubbish"])
def test_an_authority_that_is_not_whole_is_named_and_never_replaced_by_itself(
    fleet: Fleet, keys: Keys, file: str, body: bytes | None
) -> None:
    broken = {name: each for name, each in keys.items() if name != file} | ({file: body} if body is not None else {})

    with pytest.raises(KeysError, match=rf"keys/{file}: .*put it back from the backup"):
        renewed(broken, fleet, NOW)


def test_an_authority_of_two_halves_is_named(fleet: Fleet, keys: Keys) -> None:
    other = Authority.of(renewed({}, fleet, NOW)[0]).issue(Wanted("x"), NOW)["x.key"]

    with pytest.raises(KeysError, match="are not a pair"):
        renewed({**keys, "ca.key": other}, fleet, NOW)
