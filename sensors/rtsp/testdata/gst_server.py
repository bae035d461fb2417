"""An RTSP server of another maker, for the source's tests: GStreamer's.

usage: gst_server.py FILE.mp4 h264|h265|mjpeg [udp|tcp]

Serves the file's own packets, over and over, at the address that it prints.
It ends when its standard input does.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PIPELINES = {
    "h264": "qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "qtdemux ! h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "mjpeg": "qtdemux ! jpegparse ! rtpjpegpay name=pay0 pt=26",
}


def main() -> None:
    path, codec = sys.argv[1:3]
    transport = sys.argv[3] if len(sys.argv) > 3 else ""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f'( filesrc location="{path}" ! {PIPELINES[codec]} )')
    if transport:
        factory.set_protocols({"udp": GstRtsp.RTSPLowerTrans.UDP, "tcp": GstRtsp.RTSPLowerTrans.TCP}[transport])
    server.get_mount_points().add_factory("/film", factory)
    server.attach(None)
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}/film", flush=True)
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


main()
