cimport cython
from pcapdiag.exchanges.framer cimport Framer

@cython.final
cdef class Pending:
    cdef public long long sequence, acknowledgment
    cdef public Py_ssize_t length
    cdef public bytes data
    cdef public long long at, frame

@cython.final
cdef class Half:
    cdef public Connection connection
    cdef public Half other
    cdef public bytes key
    cdef public unsigned long long addresses
    cdef public long long ports, serial
    cdef public bint started, fin_acked, fin_fed, fin_unseen
    cdef public long long isn, next_sequence, expected, captured_to, acknowledgment
    cdef public int window, window_high, window_scale
    cdef public int last_id, id_steps, largest, resent_low, resent, needless, resent_count, resent_run, stalls, stall_frame
    cdef public int heedless_frame, hops, rst_hops
    cdef public long long shut_at, shut_ns, missing_bytes, resent_sequence, held_at, held_ns, stall_ns, heedless_bytes
    cdef public int packets, data_packets, retransmitted, out_of_order, zero_window, keepalive_probes
    cdef public long long bytes, gap_bytes, truncated_bytes
    cdef public long long last_data_at, probe_at, options
    cdef public list probe_gaps
    cdef public long long fin_at, fin_acked_at, fin_sequence, fin_acknowledgment, rst_at, rst_acknowledgment
    cdef public int fin_frame, rst_frame
    cdef public list pending
    cdef public Py_ssize_t pending_bytes
    cdef public long long hole_at, hole_acked_at
    cdef public int seen

@cython.final
cdef class Connection:
    cdef public int number
    cdef public Half client, server
    cdef public bint roles_inferred, open_request
    cdef public Framer framer
    cdef public long long first_at, last_at, syn_at, synack_first, synack_at, established_at, rtt, close_at, closed_at
    cdef public long long last_exchange_at
    cdef public int first_frame, last_frame, close_frame
    cdef public int syn_count, synack_count, synacks_late, closer, close_kind, duplicates, completeness
    cdef public str history
    cdef public list held
    cdef public Half held_half
