"""Sound that comes in while it is read: pipes, microphones, Icecast stations and HLS.

`sources` opens them. `web` fetches, `addresses` decides what may be fetched, `icy` and `hls` take
the two kinds of streams apart, and `live_decoder` turns encoded bytes into samples.
"""
