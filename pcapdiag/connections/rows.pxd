cimport cython
from pcapdiag.connections.connection cimport Connection, Half, letters
from pcapdiag.connections.states cimport conn_state, covers, implied_state, initiator, opening
from pcapdiag.exchanges.framer cimport Framer

cdef long long _M, _HALF_SPACE, _MAX_WINDOW, _MOST
cdef unsigned long long _RECENT_MASK
cdef Py_ssize_t _WIDE, _NARROW, _STEP

@cython.final
cdef class Strings:
    cdef public dict numbers
    cdef public list values
    cdef int add(self, bytes value) except -1

@cython.final
cdef class ConnectionRows:
    cdef public Py_ssize_t count, room
    cdef public Strings strings
    cdef public dict histories
    cdef public object wide_buffer, narrow_buffer
    cdef long long[::1] wide
    cdef int[::1] narrow
    cdef public object recent_buffer
    cdef unsigned long long[::1] recent
    @cython.locals(size=Py_ssize_t, at=Py_ssize_t, own="unsigned long long")
    cdef int address(self, Half half) except -1
    @cython.locals(client=Half, server=Half, strings=Strings, framer=Framer, i=Py_ssize_t, size=Py_ssize_t,
                   waited="long long", said="long long",
                   w="long long[::1]", n="int[::1]")
    cdef int add(self, Connection c) except -1
    cdef int history(self, Connection c) except -1
    @cython.locals(w="long long[::1]", n="int[::1]", i=Py_ssize_t, k=Py_ssize_t)
    cdef int late(self, int number, bint from_client, long long at, int frame, int flags, bint again) except -1
    @cython.locals(k=Py_ssize_t)
    cdef int replaced(self, int number) except -1

@cython.locals(client=Half, server=Half, unseen="long long")
cdef bint uncounted(Connection c) except -1
@cython.locals(half=Half, known="long long")
cdef int goodbye(Connection c, Framer framer) except -1
cdef long long median(list gaps) except -1
cdef int small(long long count) except -1
@cython.locals(acknowledged="long long", left="long long")
cdef int unacknowledged(Half half) except -1
@cython.locals(client=Half, server=Half, left="long long")
cdef int crossed(Connection c) except -1
