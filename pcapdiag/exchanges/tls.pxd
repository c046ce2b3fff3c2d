cimport cython
from pcapdiag.exchanges.framer cimport TurnFramer
from pcapdiag.exchanges.rows cimport ExchangeRows

cdef int _TLS, _CHANGE_CIPHER, _ALERT, _HANDSHAKE, _APPLICATION, _CLIENT, _SERVER, _MAX_RECORD, _MAX_HELLO
cdef int _PLAIN_SERVER, _TLS_CLIENT_HELLO, _TLS_SERVER_HELLO, _TLS_13, _TLS_OFFERED, _TLS_RESUMED
cdef int _TLS_CLIENT_ALERT, _TLS_SERVER_ALERT, _TLS_FINISHED
cdef int _MAX_FINISHED, _WITH_REQUEST, _ALERT_SEGMENT

@cython.final
cdef class Records:
    cdef public long long skip
    cdef public bytes header, hello
    cdef public int kind, length
    cdef public bint lost, begun, hello_done, encrypted

cdef class TlsFramer(TurnFramer):
    cdef public Records client, server
    cdef public bint version13, version_known, finished, blurred
    @cython.locals(side=Records, pos=Py_ssize_t, end=Py_ssize_t, missing="long long", beyond="long long", step="long long",
                   take=Py_ssize_t, header=bytes, greeted=bint)
    cpdef int feed(self, bint from_client, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t length,
                   long long at, long long frame, long long sequence, long long acknowledgment) except -1
    @cython.locals(kind=int)
    cdef int glimpse(self, bint from_client, Records side, bytes data, Py_ssize_t pos, Py_ssize_t captured,
                     Py_ssize_t length, long long at, long long frame, long long sequence) except -1
    cdef int absent(self, Records side, long long missing) except -1
    @cython.locals(kind=int)
    cdef int record(self, bint from_client, Records side, long long end) except -1
    cdef int content(self, bint from_client, Records side, bytes data, Py_ssize_t pos, long long size,
                     long long at, long long frame) except -1
    cdef int read_hello(self, bint from_client, Records side) except -1
    @cython.locals(side=Records)
    cpdef int gap(self, bint from_client, long long length) except -1
