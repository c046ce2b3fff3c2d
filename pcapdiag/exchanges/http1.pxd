cimport cython
from pcapdiag.exchanges.framer cimport Framer
from pcapdiag.exchanges.head cimport Head, starts_request, starts_response, parse_head
from pcapdiag.exchanges.heads cimport Heads
from pcapdiag.exchanges.rows cimport Exchange, ExchangeRows, new_exchange

cdef long long _M, _HALF_SPACE
cdef int _HEAD, _BODY, _CHUNK_SIZE, _CHUNK_DATA, _TRAILER, _UNTIL_CLOSE, _LOST, _TUNNEL
cdef int _REQUEST_CLOSE, _RESPONSE_CLOSE, _REQUEST_COMPLETE, _RESPONSE_COMPLETE, _REQUEST_HTTP10, _RESPONSE_HTTP10
cdef int _BOUND, _REQUEST_SEEN, _RESPONSE_SEEN, _UPGRADED, _UNTIL_CLOSE_FLAG, _EXPECT, _PIPELINED
cdef int _LOWER_BOUND, _SERVER, _UNKNOWN, _HTTP2, _METHOD_HEAD, _METHOD_CONNECT, _TLS_SERVER
cdef Py_ssize_t _MAX_HEAD, _MAX_LINE, _MAX_OUTSTANDING

@cython.final
@cython.freelist(64)
cdef class Stream:
    cdef public int state
    cdef public long long skip, partial_at, partial_frame, partial_ack, sequence, length
    cdef public bytes partial
    cdef public Exchange current
    cdef public bint unsolicited, resumed, holed

cdef class HttpFramer(Framer):
    cdef public Heads heads
    cdef public Stream client, server
    cdef public list outstanding, late
    cdef public bint answered, suspect
    cdef public long long expecting, server_at, server_frame, dropped

    cdef int start(self, ExchangeRows rows, int connection, int protocol, Heads heads) except -1
    @cython.locals(stream=Stream, pos=Py_ssize_t, end=Py_ssize_t, missing="long long", state=int, step="long long")
    cpdef int feed(self, bint from_client, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t length,
                   long long at, long long frame, long long sequence, long long acknowledgment) except -1
    cdef int read_complaint(self, bytes text) except -1
    @cython.locals(x=Exchange)
    cdef int touch(self, bint from_client, Stream stream, long long length, long long at, long long frame) except -1
    @cython.locals(base=Py_ssize_t, start=Py_ssize_t, stop=Py_ssize_t, stop_at=Py_ssize_t, consumed=Py_ssize_t,
                   parsed=Head, likely=bint)
    cdef Py_ssize_t head(self, bint from_client, Stream stream, bytes data, Py_ssize_t pos, Py_ssize_t end,
                         long long missing, long long at, long long frame, long long acknowledgment) except -1
    @cython.locals(parsed=Head, x=Exchange)
    cdef int begin_cut(self, bint from_client, Stream stream, bytes text, Py_ssize_t size, long long at,
                       long long frame) except -1
    @cython.locals(server=Stream, waiting=Exchange, x=Exchange)
    cdef int begin_request(self, Stream stream, Head head, Py_ssize_t size, long long at, long long frame) except -1
    cdef int describe_request(self, Exchange x, Head head) except -1
    @cython.locals(x=Exchange)
    cdef int catch_up(self, Stream stream, Head head, Py_ssize_t size, long long frame) except -1
    @cython.locals(x=Exchange, since="long long")
    cdef int settle(self, long long acknowledged) except -1
    cdef int presume_answered(self, Exchange x) except -1
    cdef int request_body(self, Stream stream, Head head, long long at, long long frame) except -1
    @cython.locals(head_only=bint)
    cdef int response_body(self, Stream stream, Head head, Exchange x, long long at, long long frame) except -1
    @cython.locals(x=Exchange)
    cdef int write_off(self) except -1
    @cython.locals(x=Exchange, late=bint, ahead="long long")
    cdef int begin_response(self, Stream stream, Head head, Py_ssize_t size, long long at, long long frame) except -1
    @cython.locals(newline=Py_ssize_t, text=bytes, size="long long")
    cdef Py_ssize_t line(self, bint from_client, Stream stream, bytes data, Py_ssize_t pos, Py_ssize_t end,
                         long long at, long long frame) except -1
    @cython.locals(x=Exchange)
    cdef int message_done(self, bint from_client, Stream stream, long long at, long long frame) except -1
    @cython.locals(x=Exchange)
    cdef int response_done(self, Stream stream, long long at, long long frame) except -1
    cdef int lose(self, Stream stream) except -1
    @cython.locals(state=int, x=Exchange, whole=bint)
    cdef int absent(self, bint from_client, Stream stream, long long length, long long at, long long frame) except -1
    @cython.locals(stream=Stream)
    cpdef int gap(self, bint from_client, long long length) except -1
    @cython.locals(x=Exchange)
    cpdef int unseen_answer(self) except -1
    @cython.locals(x=Exchange)
    cdef int doubt(self) except -1
    @cython.locals(x=Exchange)
    cdef bint misframed(self, Stream stream, bytes data, Py_ssize_t start, Py_ssize_t end) except -1
    @cython.locals(x=Exchange, first=Exchange, second=Exchange, behind="long long", later="long long")
    cdef bint resume(self, bint from_client, Stream stream, bytes data, Py_ssize_t start, Py_ssize_t end) except -1
    @cython.locals(x=Exchange)
    cpdef int end(self, bint from_client, long long at, long long frame) except -1
    @cython.locals(x=Exchange)
    cpdef bint open_request(self) except -1
    @cython.locals(x=Exchange)
    cpdef int finish(self) except -1

@cython.locals(framer=HttpFramer)
cpdef HttpFramer new_framer(ExchangeRows rows, int connection, int protocol, Heads heads)

@cython.locals(at=Py_ssize_t, found=Py_ssize_t)
cdef Py_ssize_t head_end(bytes data, Py_ssize_t start, Py_ssize_t end) except -2
cdef Py_ssize_t behind_empty_line(bytes data, Py_ssize_t at, Py_ssize_t end) except -2
cpdef bint plausible(bint from_client, bytes data, Py_ssize_t start, Py_ssize_t end) except -1
cdef long long chunk_size(bytes text) except -2
