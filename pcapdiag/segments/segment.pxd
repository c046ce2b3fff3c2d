cdef class Segment:
    cdef public bytes data, key
    cdef public Py_ssize_t options, start, captured, length
    cdef public long long at, frame
    cdef public long long sequence, acknowledgment
    cdef public int flags
    cdef public long long window, ip_id, hops, checksum, interface

cdef class SegmentSink:
    cpdef int segment(self, Segment segment) except -1
