"""Link layers that captures seldom have: dpkt finds the IP packet in them, a packet at a time.

The fast path hands over what it does not know itself; dpkt is imported when the first such packet comes.
"""

from __future__ import annotations

PPP = 9
PPP_HDLC = 50
CISCO_HDLC = 104
IEEE80211 = 105
RADIOTAP = 127

RARE = frozenset({PPP, PPP_HDLC, CISCO_HDLC, IEEE80211, RADIOTAP})


def network_packet(linktype: int, frame: bytes) -> bytes:
    """The IP packet inside a frame; empty when there is none, or none that can be read."""
    import dpkt

    try:
        if linktype == CISCO_HDLC or (linktype == PPP_HDLC and frame[:1] in (b"\x0f", b"\x8f")):
            return frame[4:] if frame[2:4] in (b"\x08\x00", b"\x86\xdd") else b""
        if linktype in (PPP, PPP_HDLC):
            # dpkt wants the address and control bytes, which PPP lets both ends agree to leave out.
            inner = dpkt.ppp.PPP(frame if frame[:2] == b"\xff\x03" else b"\xff\x03" + frame).data
        else:
            radio = dpkt.radiotap.Radiotap(frame).data if linktype == RADIOTAP else dpkt.ieee80211.IEEE80211(frame)
            inner = dpkt.llc.LLC(radio.data_frame.data).data
        return bytes(inner) if isinstance(inner, dpkt.ip.IP | dpkt.ip6.IP6) else b""
    except (dpkt.Error, AttributeError, IndexError, ValueError):
        return b""  # encrypted, a management frame, or damaged
