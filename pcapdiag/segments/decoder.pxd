cimport cython
from pcapdiag.packets.sink cimport PacketSink
from pcapdiag.segments.segment cimport Segment, SegmentSink

cdef int _NULL, _ETHERNET, _LOOP, _SLL, _SLL2, _IPV4_ONLY, _IPV6_ONLY
cdef int _ETHERTYPE_IPV4, _ETHERTYPE_IPV6
cdef int _BAD_LINKTYPE, _CUT_LINK, _NOT_IP, _CUT_IP, _BAD_IP, _FRAGMENT, _UDP, _ICMP, _OTHER, _CUT_TCP, _BAD_TCP

cdef int _u16(int a, int b) noexcept
cdef long long _u32(long long a, long long b, long long c, long long d) noexcept

cdef class Decoder(PacketSink):
    cdef public SegmentSink sink
    cdef public Segment out
    cdef public bytes data
    cdef public list undecoded
    cdef public long long segments

    @cython.locals(view=bytes, end=Py_ssize_t, pos=Py_ssize_t, kind=int)
    cpdef int packet(self, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t original,
                     long long at, long long frame, int linktype, int interface) except -1
    @cython.locals(view=bytes, first=int, header=Py_ssize_t, total=Py_ssize_t, protocol=int,
                   source="unsigned long long", target="unsigned long long",
                   out=Segment, tcp=Py_ssize_t)
    cdef int ipv4(self, Py_ssize_t pos, Py_ssize_t end, Py_ssize_t wire, long long at, long long frame,
                  int interface) except -1
    @cython.locals(view=bytes, length=Py_ssize_t, kind=int, step=Py_ssize_t, out=Segment,
                   tcp=Py_ssize_t)
    cdef int ipv6(self, Py_ssize_t pos, Py_ssize_t end, Py_ssize_t wire, long long at, long long frame,
                  int interface) except -1
    @cython.locals(view=bytes, out=Segment, header=Py_ssize_t, captured=Py_ssize_t)
    cdef int tcp(self, Py_ssize_t pos, Py_ssize_t end, Py_ssize_t wire_end, long long at, long long frame,
                 int interface) except -1
    @cython.locals(inner=bytes)
    cdef int rare(self, int linktype, bytes packet, Py_ssize_t cut, long long at, long long frame,
                  int interface) except -1
    cdef int fail(self, int reason) except -1
