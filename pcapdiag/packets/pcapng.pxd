cimport cython
from pcapdiag.packets.reader cimport RecordReader

cdef long long SECTION_HEADER, INTERFACE, OLD_PACKET, SIMPLE_PACKET, STATISTICS, ENHANCED_PACKET
cdef long long SECOND

cdef long long _u32(long long a, long long b, long long c, long long d) noexcept

cdef class Interface:
    cdef public int number, linktype
    cdef public long long snaplen, numerator, denominator, offset_ns, packets, dropped

cdef class PcapngReader(RecordReader):
    cdef public bint little, in_section, dead
    cdef public list interfaces
    cdef public int interfaces_seen
    cdef public long long unknown_interface
    @cython.locals(pos=Py_ssize_t, size=Py_ssize_t, view=bytes, little=bint,
                   kind="long long", length="long long", number="long long", high="long long", low="long long",
                   captured="long long", original="long long")
    cpdef Py_ssize_t walk(self, bytes data, Py_ssize_t start) except -1
    @cython.locals(at="long long", interface=Interface, interfaces=list)
    cpdef int emit(self, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t original,
                   long long number, long long high, long long low) except -1
    cpdef long long slow_time(self, Interface interface, long long high, long long low) except? -1
    cpdef long long section(self, bytes data, Py_ssize_t pos) except -1
