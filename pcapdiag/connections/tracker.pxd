cimport cython
from pcapdiag.connections.connection cimport Connection, Half, Pending, swapped
from pcapdiag.connections.rows cimport ConnectionRows
from pcapdiag.connections.states cimport covers
from pcapdiag.exchanges.choose cimport choose, speaker, undecided
from pcapdiag.exchanges.framer cimport Framer
from pcapdiag.exchanges.heads cimport Heads
from pcapdiag.exchanges.rows cimport ExchangeRows
from pcapdiag.segments.segment cimport Segment, SegmentSink, key_of

cdef int _FIN, _SYN, _RST, _ACK
cdef long long _M, _HALF_SPACE, _MAX_WINDOW
cdef long long _COPY_WINDOW, _COPY_NO_ID, _PATIENCE, _REORDER, _KEPT, _LATE, _DELAYED_ACK, _DELAYED_ACK_MOST, _RELEASED
cdef Py_ssize_t _MOST_SPARE, _MAX_PENDING, _MAX_PENDING_BYTES, _MIN_OPENING
cdef Py_ssize_t _SLOTS
cdef int _ID_STEP, _ID_STEPS, _ID_NEAR, _MAX_GAPS
cdef unsigned long long _LATELY_MASK, _SLOT_MASK, _PRIME, _MASK
cdef int _SEEN_S, _SEEN_H, _SEEN_A, _SEEN_D, _SEEN_F, _SEEN_R, _SEEN_G, _SEEN_T, _SEEN_W
cdef long long _NINE_LETTERS
cdef int _NONE, _CLIENT, _SERVER, _NOT_YET, _OPAQUE

cdef class Tracker(SegmentSink):
    cdef public ConnectionRows rows
    cdef public ExchangeRows exchanges
    cdef public Heads heads
    cdef public dict flows, late, late_before
    cdef public list lately
    cdef public set services
    cdef public bytes served
    cdef public object closed
    cdef public list spare, spare_halves
    cdef public int count
    cdef public long long serials, duplicates, last_at, late_since
    cdef public object recent_buffer
    cdef unsigned long long[::1] recent
    cdef public object turned_buffer, turned_buffer6
    cdef unsigned char[::1] turned, turned6

    @cython.locals(s=Segment, flags=int, half=Half, other=Half, c=Connection, at="long long", key=bytes,
                   reverse=bytes)
    cpdef int segment(self, Segment segment) except -1
    @cython.locals(source=bytes, target=bytes, server=bytes, c=Connection, half=Half, other=Half, sender=int)
    cdef Half admit(self, Segment s, bytes key, bytes reverse)
    @cython.locals(half=Half)
    cdef Half near(self, Segment s)
    cdef int remember(self, Half half, unsigned long long addresses, long long ports) except -1
    @cython.locals(c=Connection, other=Half)
    cdef bint renewed(self, Half half, Segment s) except -1
    @cython.locals(h="unsigned long long", tag="unsigned long long", at="unsigned long long", slot=Py_ssize_t,
                   passed="unsigned long long", elsewhere=bint)
    cdef bint copy_of_recent(self, Half half, Segment s) except -1
    @cython.locals(fresh=bint)
    cdef int on_syn(self, Connection c, Half half, Segment s) except -1
    @cython.locals(ack="long long", ahead="long long", beyond="long long")
    cdef int on_ack(self, Half half, Half other, Segment s) except -1
    @cython.locals(c=Connection, waited="long long")
    cdef int on_late_ack(self, Half half, Half other, Segment s) except -1
    @cython.locals(beyond="long long")
    cdef long long way(self, Connection c, Half half) except? -1
    @cython.locals(window="long long", scaled=bint)
    cdef bint had_room(self, Half half, Half other) except -1
    @cython.locals(pending=list, p=Pending)
    cdef bint answers(self, Half half, long long ack) except -1
    @cython.locals(ahead="long long")
    cdef int on_empty(self, Connection c, Half half, Segment s) except -1
    @cython.locals(since="long long", moment="long long")
    cdef int on_probe(self, Connection c, Half half, long long at) except -1
    @cython.locals(flags=int, length="long long", sequence="long long", end="long long", beyond="long long",
                   offset="long long", fresh="long long", skip="long long", captured="long long", step=int)
    cdef int on_bytes(self, Connection c, Half half, Segment s) except -1
    @cython.locals(limit="long long", late=bint, near=bint, ahead=int)
    cdef int filled(self, Connection c, Half half, Segment s) except -1
    cdef int resent(self, Half half, long long sequence, int length) except -1
    @cython.locals(waited="long long", way="long long")
    cdef int released(self, Connection c, Half half, Segment s) except -1
    @cython.locals(other=Half, client=bint, framer=Framer, bits=int)
    cdef int on_close(self, Connection c, Half half, Segment s) except -1
    cdef int now_closed(self, Connection c) except -1
    @cython.locals(code=int)
    cdef int note(self, Connection c, Half half, int bit, Py_UCS4 letter) except -1
    @cython.locals(framer=Framer, first=bytes)
    cdef int deliver(self, Connection c, Half half, bytes data, Py_ssize_t start, Py_ssize_t captured,
                     Py_ssize_t length, long long at, long long frame, long long sequence,
                     long long acknowledgment) except -1
    @cython.locals(text=bytes, p=Pending)
    cdef bytes held_bytes(self, Connection c)
    @cython.locals(held=list, half=Half, text=bytes, framer=Framer, client=bint, p=Pending)
    cdef int release(self, Connection c, bytes more) except -1
    cdef bint was_midstream(self, Connection c) except -1
    @cython.locals(said=int, framer=Framer, client=bint, from_start=bint)
    cdef Framer choose_framer(self, Connection c, Half half, bytes data, Py_ssize_t start, Py_ssize_t captured,
                              bint cut)
    cdef int feed_end(self, Connection c, Half half) except -1
    @cython.locals(pending=list, place=Py_ssize_t, p=Pending, behind="long long")
    cdef int wait(self, Connection c, Half half, Segment s, long long sequence) except -1
    @cython.locals(pending=list, p=Pending, offset="long long", fresh="long long", skip="long long",
                   captured="long long")
    cdef int drain(self, Connection c, Half half) except -1
    @cython.locals(missing="long long", p=Pending, limit="long long", lost=bint)
    cdef int give_up(self, Connection c, Half half, bint everything) except -1
    @cython.locals(client=Half, server=Half)
    cpdef int retire(self, Connection c) except -1
    @cython.locals(size=Py_ssize_t, at=Py_ssize_t, out="unsigned char[::1]")
    cdef bytes reverse_of(self, bytes key)
    @cython.locals(c=Connection)
    cdef Connection new_connection(self)
    @cython.locals(half=Half)
    cdef Half new_half(self, Connection c, bytes key)
    @cython.locals(c=Connection, client=Half, server=Half, key=bytes, reverse=bytes)
    cdef int sweep(self, long long at) except -1
    @cython.locals(from_client=bint, number=int, lesser=bytes)
    cdef bint belongs_to_the_past(self, Segment s, bytes key, bytes reverse) except -1
    cdef int past(self, bytes key) except? -1
    @cython.locals(half=Half)
    cpdef finish(self)

@cython.locals(at=Py_ssize_t, kind=int)
cdef Py_ssize_t option(bytes data, Py_ssize_t start, Py_ssize_t end, int wanted) except -2

@cython.locals(at=Py_ssize_t, kind=int, count=int, kinds="long long")
cdef long long option_kinds(bytes data, Py_ssize_t start, Py_ssize_t end) except -2

@cython.locals(at=Py_ssize_t)
cdef int window_scale(bytes data, Py_ssize_t start, Py_ssize_t end) except -2

@cython.locals(size=Py_ssize_t, at=Py_ssize_t)
cdef bint same_sender(bytes key, bytes other) except -1
@cython.locals(size=Py_ssize_t)
cdef bytes sender_of(bytes key)
@cython.locals(at=Py_ssize_t, right="long long")
cdef bint duplicate_sack(bytes data, Py_ssize_t start, Py_ssize_t end, long long ack) except -1
