from pcapdiag.packets.sink cimport PacketSink

cdef class RecordReader:
    cdef public PacketSink sink
    cdef public str path
    cdef public long long frames, offset, first_at, last_at, steps_back, cut_packets, damaged_places, dropped
    cdef public bytes carry
    cdef public list damage
    cdef public dict linktypes
    cpdef Py_ssize_t walk(self, bytes data, Py_ssize_t start) except -1
