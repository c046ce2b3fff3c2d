cimport cython

cdef int _SERVER_NAME, _SIGNATURES, _ALPN, _SUPPORTED_VERSIONS, _MAX_KNOWN
cdef dict _KNOWN, _VERSIONS
cdef bytes _NOTHING

@cython.locals(size=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t, kind=int, length=int, suites=bytes, kinds=bytes,
               signatures=bytes, versions=bytes, name=bytes, key=bytes)
cpdef bytes fingerprint(bytes body)
cdef int number(bytes data, Py_ssize_t at) except -1
cdef list pairs(bytes data)
cdef bytes written(bytes suites, bytes kinds, bytes signatures, bytes versions, bytes name)
cdef bytes ends(bytes name)
cdef bytes digest(bytes text)
