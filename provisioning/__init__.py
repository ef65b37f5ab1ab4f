"""The fleet's keys, configuration and cards: what each machine of the offices is given.

    fleet = read_fleet(Path("fleet.toml"))              # what there is: offices, machines, addresses
    keys, done = renewed(keys, fleet, now)              # who may speak: certificates and passwords
    put(Path("torn-fleet"), files(fleet, keys))         # what each machine is given, whole or not at all

Nothing here imports hub or devices: it knows them by the contract, as anybody else would.
"""


class ProvisioningError(Exception):
    """Something in the fleet's description or folder is not right; the message says what, where and what to do."""
