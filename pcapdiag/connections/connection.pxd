cimport cython
from pcapdiag.exchanges.framer cimport Framer

@cython.final
cdef class Pending:
    cdef public long long sequence, acknowledgment
    cdef public Py_ssize_t length
    cdef public bytes data
    cdef public long long at, frame

# In the order of use: what every packet looks at shares two or three cache lines.
@cython.final
cdef class Half:
    cdef public unsigned long long addresses
    cdef public long long ports
    cdef public Connection connection
    cdef public Half other
    cdef public long long serial
    cdef public long long packets, data_packets
    cdef public long long isn, next_sequence, expected, captured_to, acknowledgment
    cdef public int window, window_high, seen, resent, needless
    cdef public bint started
    cdef public long long bytes, hole_at, last_data_at, fin_at, shut_at, held_at
    cdef public list pending
    cdef public int largest, last_id, id_steps
    cdef public bint fin_acked, fin_fed, fin_unseen
    cdef public bytes key
    cdef public int window_scale
    cdef public int resent_low, resent_count, resent_run, stalls, stall_frame, heedless_frame, hops, rst_hops
    cdef public long long shut_ns, missing_bytes, resent_sequence, held_ns, stall_ns, heedless_bytes
    cdef public int retransmitted, out_of_order, zero_window, keepalive_probes
    cdef public long long gap_bytes, truncated_bytes
    cdef public long long fin_acked_at, fin_sequence, fin_acknowledgment, rst_at, rst_acknowledgment
    cdef public long long probe_at, options
    cdef public list probe_gaps
    cdef public int fin_frame, rst_frame
    cdef public Py_ssize_t pending_bytes
    cdef public long long hole_acked_at
    cdef int begin(self, Connection connection, bytes key) except -1

@cython.final
cdef class Connection:
    cdef public long long last_at
    cdef public Half client, server
    cdef public Framer framer
    cdef public int last_frame, completeness, synack_count, syn_count
    cdef public long long established_at, close_at, closed_at
    cdef public list held
    cdef public long long history, history_rest
    cdef public int number
    cdef public bint roles_inferred, open_request
    cdef public long long first_at, syn_at, synack_first, synack_at, rtt
    cdef public long long last_exchange_at
    cdef public int first_frame, close_frame
    cdef public int synacks_late, closer, close_kind
    cdef public long long duplicates
    cdef public Half held_half
    cdef int begin(self, int number) except -1

cpdef bytes letters(long long history)
@cython.locals(shift=int)
cpdef long long swapped(long long history) except -1
