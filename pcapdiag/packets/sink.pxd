cdef class PacketSink:
    cpdef int packet(self, bytes data, Py_ssize_t start, Py_ssize_t captured, Py_ssize_t original,
                     long long at, long long frame, int linktype, int interface) except -1
