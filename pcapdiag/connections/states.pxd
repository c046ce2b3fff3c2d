cimport cython
from pcapdiag.connections.connection cimport Connection, Half
from pcapdiag.exchanges.framer cimport Framer

cdef long long _M, _HALF_SPACE
cdef int _UNKNOWN, _CLOSED, _SYN_SENT, _SYN_RECEIVED, _ESTABLISHED, _FIN_WAIT_1, _FIN_WAIT_2, _CLOSE_WAIT, _CLOSING
cdef int _LAST_ACK, _TIME_WAIT, _NONE, _CLIENT, _SERVER, _UNDECIDABLE, _HANDSHAKE, _REFUSED, _UNANSWERED, _MIDSTREAM

cpdef bint covers(long long acknowledgment, Half fin) except -1
@cython.locals(c=Connection)
cpdef int implied_state(Half half, Half other) except -1
@cython.locals(client=Half, server=Half, first=Half, second=Half, other=int)
cpdef int initiator(Connection c) except -1
@cython.locals(framer=Framer, other=Half, heard="long long")
cdef int by_goodbye(Connection c) except -1
@cython.locals(server=Half)
cpdef int opening(Connection c) except -1
@cython.locals(client=Half, server=Half)
cpdef int conn_state(Connection c) except -1
