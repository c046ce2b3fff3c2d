cimport cython
from pcapdiag.exchanges.framer cimport TurnFramer
from pcapdiag.exchanges.rows cimport ExchangeRows

cdef int _HTTP2, _CLIENT, _SERVER
cdef int _DATA, _HEADERS, _SETTINGS, _GOAWAY, _CONTINUATION, _FRAME_HEAD, _LONG_BLOCK, _PREFACE, _MESSAGE, _FAREWELL

cdef class Frames:
    cdef public int kind
    cdef public long long skip
    cdef public bytes head
    cdef public bint lost
    @cython.locals(held=int, pos=Py_ssize_t, end=Py_ssize_t, step=Py_ssize_t)
    cpdef int walk(self, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t length) except -1
    cpdef int pass_over(self, long long count) except -1

cdef class Http2Framer(TurnFramer):
    cdef public Frames client, server
    @cython.locals(side=Frames, held=int)
    cpdef int feed(self, bint from_client, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t length,
                   long long at, long long frame, long long sequence, long long acknowledgment) except -1
    @cython.locals(side=Frames)
    cpdef int gap(self, bint from_client, long long length) except -1
