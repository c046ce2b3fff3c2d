cimport cython

cdef class Segment:
    cdef public bytes data
    cdef public Py_ssize_t addresses_at, address_size, ports_at
    cdef public unsigned long long addresses
    cdef public long long ports
    cdef public Py_ssize_t options, options_end, start, captured, length
    cdef public long long at, frame
    cdef public long long sequence, acknowledgment
    cdef public int flags
    cdef public long long window, ip_id, hops, checksum, interface

@cython.locals(at=Py_ssize_t, end=Py_ssize_t)
cpdef bytes key_of(Segment s)

cdef class SegmentSink:
    cpdef int segment(self, Segment segment) except -1
