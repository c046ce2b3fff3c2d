cimport cython
from pcapdiag.exchanges.framer cimport TurnFramer
from pcapdiag.exchanges.ja4 cimport fingerprint
from pcapdiag.exchanges.rows cimport Exchange, ExchangeRows

cdef int _TLS, _CHANGE_CIPHER, _ALERT, _HANDSHAKE, _APPLICATION, _CLIENT, _SERVER, _MAX_RECORD, _MAX_HELLO
cdef int _PLAIN_SERVER, _TLS_CLIENT_HELLO, _TLS_SERVER_HELLO, _TLS_13, _TLS_OFFERED, _TLS_RESUMED
cdef int _TLS_CLIENT_ALERT, _TLS_SERVER_ALERT, _TLS_FINISHED
cdef int _MAX_FINISHED, _WITH_REQUEST, _ALERT_SEGMENT, _SETTINGS_ACK, _GOAWAY, _LONG_GOAWAY, _SHORT_GOAWAY, _FLIGHT

@cython.final
cdef class Records:
    cdef public long long skip
    cdef public bytes header, hello
    cdef public int kind, length
    cdef public bint lost, begun, hello_done, encrypted

cdef class TlsFramer(TurnFramer):
    cdef public Records client, server
    cdef public bint version13, version_known, finished, blurred
    cdef public int asked, asked_records, asked_length, said, said_records, said_length, rest_frame
    cdef public long long asked_end, asked_after, said_at, said_after, rest_at, rest_bytes
    @cython.locals(side=Records, pos=Py_ssize_t, end=Py_ssize_t, missing="long long", beyond="long long", step="long long",
                   take=Py_ssize_t, header=bytes, greeted=bint)
    cpdef int feed(self, bint from_client, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t length,
                   long long at, long long frame, long long sequence, long long acknowledgment) except -1
    @cython.locals(kind=int)
    cdef int glimpse(self, bint from_client, Records side, bytes data, Py_ssize_t pos, Py_ssize_t captured,
                     Py_ssize_t length, long long at, long long frame, long long sequence) except -1
    cdef int absent(self, Records side, long long missing) except -1
    @cython.locals(kind=int)
    cdef int record(self, bint from_client, Records side, long long end, long long at) except -1
    @cython.locals(x=Exchange)
    cdef int note(self, bint from_client, int length, long long end, long long at) except -1
    @cython.locals(x=Exchange, longest=int, asked=bint)
    cdef int take_back(self, bint from_client, int overhead, long long at) except -1
    cdef int say_close(self, int side, long long end, long long at) except -1
    cdef int longest_goaway(self) except -1
    cdef int retract(self) except -1
    cdef int content(self, bint from_client, Records side, bytes data, Py_ssize_t pos, long long size,
                     long long at, long long frame) except -1
    cdef int read_hello(self, bint from_client, Records side) except -1
    @cython.locals(side=Records)
    cpdef int gap(self, bint from_client, long long length) except -1
