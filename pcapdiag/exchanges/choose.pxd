cimport cython
from pcapdiag.exchanges.framer cimport Framer
from pcapdiag.exchanges.head cimport starts_request, starts_response
from pcapdiag.exchanges.heads cimport Heads
from pcapdiag.exchanges.http1 cimport plausible, new_framer
from pcapdiag.exchanges.rows cimport ExchangeRows

cdef int _OPAQUE, _HTTP1, _REDIS, _POSTGRES, _MYSQL, _NONE, _CLIENT, _SERVER

@cython.locals(size=Py_ssize_t)
cpdef bint undecided(bytes text) except -1
@cython.locals(end=Py_ssize_t)
cpdef int speaker(bytes data, Py_ssize_t start, Py_ssize_t captured) except -1
cpdef bint greets_http2(bytes data, Py_ssize_t start, Py_ssize_t captured) except -1
cpdef bint greets_mysql(bytes data, Py_ssize_t start, Py_ssize_t captured) except -1
@cython.locals(end=Py_ssize_t, record=bint)
cpdef Framer choose(ExchangeRows rows, int connection, Heads heads, bint from_client, bint from_start, bytes data,
                    Py_ssize_t start, Py_ssize_t captured, bint cut=*)
