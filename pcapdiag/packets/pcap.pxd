cimport cython
from pcapdiag.packets.sink cimport PacketSink
from pcapdiag.packets.reader cimport RecordReader

cdef long long SECOND

cdef long long _u32(long long a, long long b, long long c, long long d) noexcept

cdef class PcapReader(RecordReader):
    cdef public bint little
    cdef public long long tick, limit, lost_from
    cdef public int header, linktype
    cdef public str lost_why
    @cython.locals(at="long long", pos=Py_ssize_t, size=Py_ssize_t, view=bytes, sink=PacketSink,
                   header=Py_ssize_t, little=bint, tick="long long", limit="long long", linktype=int, packets="long long",
                   seconds="long long", fraction="long long", captured="long long", original="long long")
    cpdef Py_ssize_t walk(self, bytes data, Py_ssize_t start) except -1
