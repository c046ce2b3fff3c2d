"""Read packet records: pcap, pcapng, gzip, standard input, several files as one capture."""
