cimport cython
from pcapdiag.exchanges.rows cimport Exchange, ExchangeRows, new_exchange

cdef long long _M
cdef int _REQUEST_COMPLETE, _RESPONSE_COMPLETE, _TURN, _BOUND, _REQUEST_SEEN, _RESPONSE_SEEN
cdef int _TURNS, _CLIENT, _OPAQUE, _HTTP2, _REDIS, _POSTGRES, _MYSQL, _TLS_SERVER
cdef int _FIRST_COMMANDS, _LONG_COMMAND
cdef long long _NO_WAIT

cdef class Framer:
    cdef public ExchangeRows rows
    cdef public int connection, protocol, basis, goodbye
    cdef public long long requests, responses
    cdef public bint retracted
    cdef public int expect_waits, mismatch, tls, tls_alert, tls_bytes
    cdef public long long last_at, goodbye_end, goodbye_at, client_next, expect_wait_ns
    cdef public bytes host, user_agent, header_order, server_software, sni, alpn
    cdef public bytes request_values, response_order, response_values, ja4
    cdef int begin(self, ExchangeRows rows, int connection, int protocol, int basis) except -1
    cpdef int feed(self, bint from_client, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t length,
                   long long at, long long frame, long long sequence, long long acknowledgment) except -1
    cpdef int gap(self, bint from_client, long long length) except -1
    cpdef int unseen_answer(self) except -1
    cpdef int end(self, bint from_client, long long at, long long frame) except -1
    cdef int say_goodbye(self, int side, long long end) except -1
    cpdef bint open_request(self) except -1
    cpdef int finish(self) except -1

cdef class TurnFramer(Framer):
    cdef public Exchange current
    cdef public long long asked_after, asked_end
    cdef public bint sealed, parting
    @cython.locals(kind=int)
    cpdef int feed(self, bint from_client, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t length,
                   long long at, long long frame, long long sequence, long long acknowledgment) except -1
    cdef int meet_postgres(self, bytes text, long long length) except -1
    cdef int meet_redis(self, bytes text) except -1
    @cython.locals(x=Exchange)
    cpdef int end(self, bint from_client, long long at, long long frame) except -1
    @cython.locals(x=Exchange)
    cpdef int turn(self, bint from_client, long long length, long long at, long long frame) except -1
    @cython.locals(x=Exchange)
    cpdef int unseen_answer(self) except -1
    @cython.locals(x=Exchange)
    cpdef int close_turn(self) except -1
    @cython.locals(x=Exchange)
    cpdef bint open_request(self) except -1
