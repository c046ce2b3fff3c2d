"""The words that ``ss`` has for TCP states (iproute2's misc/ss.c, sstate_name), and pcapdiag's for the same.

Without LISTEN, which is no connection's, and UNCONN, which is none's any more.
"""

from __future__ import annotations

OF_SS = {
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RECEIVED",
    "ESTAB": "ESTABLISHED",
    "FIN-WAIT-1": "FIN_WAIT_1",
    "FIN-WAIT-2": "FIN_WAIT_2",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "CLOSING": "CLOSING",
    "LAST-ACK": "LAST_ACK",
    "TIME-WAIT": "TIME_WAIT",
}
