"""Torque table of the workshop: how tight is tight enough.

Run it with a joint's name to print what to set on the wrench:

    python torque.py stem --carbon
"""

import argparse

# Newton metres, dry threads, from the makers' manuals. Where makers differ, the lowest value stands.
TORQUE_NM = {
    "stem": 5.0,  # faceplate bolts, tightened crosswise
    "seatpost": 6.0,
    "crank-arm": 40.0,  # square taper
    "pedal": 35.0,  # the left pedal has a left-hand thread
    "cassette": 40.0,
    "disc-rotor": 6.2,  # six bolts, tightened in a star
    "brake-caliper": 7.0,
    "bottom-bracket": 50.0,
    "axle-nut": 30.0,
}

# Carbon parts crush before they slip; with assembly paste 80 percent of the torque holds as well.
CARBON_FACTOR = 0.8

# Grease lets the same torque pull the bolt tighter, so set less on the wrench.
GREASE_FACTOR = 0.85


def torque(joint: str, *, carbon: bool = False, greased: bool = False) -> float:
    """Returns the torque to set for a joint, in newton metres."""
    if joint not in TORQUE_NM:
        known = ", ".join(sorted(TORQUE_NM))
        raise KeyError(f"no torque for `{joint}`; known joints are {known}")
    value = TORQUE_NM[joint]
    if carbon:
        value *= CARBON_FACTOR
    if greased:
        value *= GREASE_FACTOR
    return round(value, 1)


def clicks(newton_metres: float, start: float = 2.0, step: float = 0.25) -> int:
    """Returns how many clicks to turn the small wrench from its lowest mark.

    The small wrench starts at 2 newton metres and each click adds a quarter of one.
    """
    if newton_metres < start:
        raise ValueError(f"the small wrench starts at {start} newton metres")
    return round((newton_metres - start) / step)


def main() -> None:
    parser = argparse.ArgumentParser(description="What to set on the torque wrench.")
    parser.add_argument("joint")
    parser.add_argument("--carbon", action="store_true")
    parser.add_argument("--greased", action="store_true")
    options = parser.parse_args()
    value = torque(options.joint, carbon=options.carbon, greased=options.greased)
    print(f"{options.joint}: {value} Nm")
    if value <= 14:
        print(f"small wrench: {clicks(value)} clicks")


if __name__ == "__main__":
    main()
