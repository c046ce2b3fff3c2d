cimport cython

cdef Py_ssize_t _STEP
cdef long long _MOST

@cython.final
@cython.freelist(64)
cdef class Exchange:
    cdef public long long request_first_at, request_last_at, response_first_at, response_last_at
    cdef public long long request_bytes, response_bytes
    cdef public long long index
    cdef public int method, status, flags, interim, keepalive_timeout, keepalive_max
    cdef public int request_first_frame, request_last_frame, response_first_frame, response_last_frame
    cdef public long long acknowledged
    cdef int begin(self, long long index) except -1

@cython.locals(x=Exchange)
cpdef Exchange new_exchange(long long index)

@cython.final
cdef class ExchangeRows:
    cdef public Py_ssize_t count, room
    cdef public object wide_buffer, narrow_buffer
    cdef long long[::1] wide
    cdef int[::1] narrow
    @cython.locals(at=Py_ssize_t)
    cdef int add(self, int connection, Exchange x) except -1
