cimport cython

cdef Py_ssize_t _MAX_VALUE, _MAX_TEXT

@cython.final
cdef class Head:
    cdef public bytes text
    cdef public bint request, http10, close, keep_alive, chunked, h2c, expect
    cdef public int method, status, keepalive_timeout, keepalive_max
    cdef public long long length
    cdef public bytes host, user_agent, server, order, values

@cython.locals(space=Py_ssize_t, newline=Py_ssize_t)
cpdef bint starts_request(bytes data, Py_ssize_t start, Py_ssize_t end) except -1
cpdef bint http_version(bytes last, bytes method) except -1
cpdef bint starts_response(bytes data, Py_ssize_t start, Py_ssize_t end) except -1
@cython.locals(out=Head, lines=list, names=list, values=list, first=bytes, words=list, line=bytes, colon=Py_ssize_t, name=bytes,
               lower=bytes)
cpdef Head parse_head(bytes head)
