cimport cython
from pcapdiag.exchanges.head cimport Head, parse_head

cdef Py_ssize_t _MOST, _LONGEST, _SLOTS, _SLOT_MASK

@cython.final
cdef class Heads:
    cdef public dict known
    cdef public list lately
    @cython.locals(head=Head)
    cdef Head again(self, bytes data, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(head=Head)
    cdef Head parse(self, bytes text, Py_ssize_t stretch)
