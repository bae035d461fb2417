package rtsp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/conn"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
	"github.com/bluenviron/gortsplib/v4/pkg/rtcpreceiver"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"golang.org/x/net/ipv4"

	"dashline/sensors/rtsp/stream"
)

// tunnel is a connection to a camera that sends its packets over UDP, made to
// look to the RTSP client as if they came interleaved over TCP.
//
// The client has its own way with UDP, but it holds packets back by their number
// (64) and not by time, so that one lost packet can stall a slow stream for more
// than a second, and it takes no other socket. So the tunnel asks for UDP where
// the client asks for interleaving, puts the packets in order with a bounded
// wait, and hands them on in frames. The client keeps what it is good at:
// authentication, redirects, session descriptions, keeping alive.
//
// Start ends with a goroutine for each direction and socket; Close ends them,
// and done is closed when the last one has.
type tunnel struct {
	net.Conn          // the client's end
	far      net.Conn // our end of the same pipe
	camera   net.Conn // the RTSP connection
	wait     time.Duration
	rtp      *net.UDPConn
	rtcp     *net.UDPConn
	frames   []byte // of readRTP: on their way to the client
	receiver *rtcpreceiver.RTCPReceiver

	writing sync.Mutex // of far
	setups  sync.Mutex
	pending map[string]bool // CSeq of SETUP requests on their way
	rtpTo   *net.UDPAddr    // the camera's ports, once they are known
	rtcpTo  *net.UDPAddr

	goroutines sync.WaitGroup
	closing    sync.Once
}

// socketBuffer holds a key picture of a 4K camera while we are kept from reading.
const socketBuffer = 2 << 20

// videoRate is the RTP clock of all video formats here (RFC 3551, 5; RFC 7798, 4.1).
const videoRate = 90000

// reportEvery is how often receiver reports go out.
const reportEvery = 2 * time.Second

// dialTunnel connects to a camera. wait bounds how long a packet is held for one
// that is missing before it.
func dialTunnel(ctx context.Context, network, address string, wait time.Duration) (*tunnel, error) {
	camera, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	local, remote := camera.LocalAddr().(*net.TCPAddr), camera.RemoteAddr().(*net.TCPAddr)
	t := &tunnel{camera: camera, wait: wait, pending: map[string]bool{}}
	if t.rtp, t.rtcp, err = socketPair(local.IP, local.Zone); err != nil {
		return nil, errors.Join(err, camera.Close())
	}
	t.rtpTo = &net.UDPAddr{IP: remote.IP, Zone: remote.Zone}
	t.rtcpTo = &net.UDPAddr{IP: remote.IP, Zone: remote.Zone}
	ssrc := uint32(time.Now().UnixNano())
	t.receiver = &rtcpreceiver.RTCPReceiver{
		ClockRate: videoRate, LocalSSRC: &ssrc, Period: reportEvery,
		WritePacketRTCP: t.sendRTCP,
	}
	if err := t.receiver.Initialize(); err != nil {
		return nil, errors.Join(err, camera.Close(), t.rtp.Close(), t.rtcp.Close())
	}
	t.Conn, t.far = net.Pipe()
	t.goroutines.Go(t.up)
	t.goroutines.Go(t.down)
	t.goroutines.Go(t.readRTP)
	t.goroutines.Go(t.readRTCP)
	return t, nil
}

// socketPair opens an even port for RTP and the next one for RTCP (RFC 3550, 11).
func socketPair(ip net.IP, zone string) (a, b *net.UDPConn, err error) {
	for range 100 {
		if a, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip, Zone: zone}); err != nil {
			return nil, nil, fmt.Errorf("open a UDP socket for the camera's packets: %w", err)
		}
		port := a.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 {
			if b, err = net.ListenUDP("udp", &net.UDPAddr{IP: ip, Zone: zone, Port: port + 1}); err == nil {
				_ = a.SetReadBuffer(socketBuffer) // less is not an error
				return a, b, nil
			}
		}
		_ = a.Close()
	}
	return nil, nil, errors.New("open UDP sockets for the camera's packets: no two free ports side by side: choose rtsp.transport tcp")
}

// RemoteAddr is the camera's.
func (t *tunnel) RemoteAddr() net.Addr { return t.camera.RemoteAddr() }

// LocalAddr is that of the connection to the camera.
func (t *tunnel) LocalAddr() net.Addr { return t.camera.LocalAddr() }

// Close ends the tunnel and waits for its goroutines.
func (t *tunnel) Close() error {
	t.hangUp()
	t.goroutines.Wait()
	t.closing.Do(t.receiver.Close)
	return nil
}

// hangUp makes every goroutine end.
func (t *tunnel) hangUp() {
	_ = t.far.Close()
	_ = t.Conn.Close()
	_ = t.camera.Close()
	_ = t.rtp.Close()
	_ = t.rtcp.Close()
}

// up carries the client's requests to the camera.
func (t *tunnel) up() {
	defer t.hangUp()
	from, to := conn.NewConn(t.far), conn.NewConn(t.camera)
	for {
		what, err := from.Read()
		if err != nil {
			return
		}
		switch v := what.(type) {
		case *base.Request:
			t.request(v)
			err = to.WriteRequest(v)
		case *base.Response:
			err = to.WriteResponse(v)
		}
		if err != nil {
			return
		}
	}
}

// request turns the client's wish for interleaving into one for UDP.
func (t *tunnel) request(r *base.Request) {
	if r.Method != base.Setup {
		return
	}
	port := t.rtp.LocalAddr().(*net.UDPAddr).Port
	unicast := headers.TransportDeliveryUnicast
	r.Header["Transport"] = headers.Transport{
		Protocol: headers.TransportProtocolUDP, Delivery: &unicast, ClientPorts: &[2]int{port, port + 1},
	}.Marshal()
	t.setups.Lock()
	t.pending[sequence(r.Header)] = true
	t.setups.Unlock()
}

func sequence(h base.Header) string {
	if v := h["CSeq"]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// down carries the camera's answers to the client.
func (t *tunnel) down() {
	defer t.hangUp()
	from := conn.NewConn(t.camera)
	for {
		what, err := from.Read()
		if err != nil {
			return
		}
		switch v := what.(type) {
		case *base.Response:
			t.response(v)
			err = t.answer(v)
		case *base.Request:
			err = t.ask(v)
		}
		if err != nil {
			return
		}
	}
}

func (t *tunnel) answer(r *base.Response) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	return conn.NewConn(t.far).WriteResponse(r)
}

func (t *tunnel) ask(r *base.Request) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	return conn.NewConn(t.far).WriteRequest(r)
}

// response learns the camera's ports and tells the client what it wants to hear.
func (t *tunnel) response(r *base.Response) {
	t.setups.Lock()
	setup := t.pending[sequence(r.Header)]
	delete(t.pending, sequence(r.Header))
	t.setups.Unlock()
	if !setup || r.StatusCode != base.StatusOK {
		return
	}
	var h headers.Transport
	if err := h.Unmarshal(r.Header["Transport"]); err != nil || h.Protocol != headers.TransportProtocolUDP {
		// It does not do as asked. The client says so better than we could.
		r.StatusCode, r.StatusMessage = base.StatusUnsupportedTransport, "no UDP"
		return
	}
	t.setups.Lock()
	if h.ServerPorts != nil {
		t.rtpTo = &net.UDPAddr{IP: t.rtpTo.IP, Zone: t.rtpTo.Zone, Port: h.ServerPorts[0]}
		t.rtcpTo = &net.UDPAddr{IP: t.rtpTo.IP, Zone: t.rtpTo.Zone, Port: h.ServerPorts[1]}
	}
	t.setups.Unlock()
	unicast := headers.TransportDeliveryUnicast
	r.Header["Transport"] = headers.Transport{
		Protocol: headers.TransportProtocolTCP, Delivery: &unicast, InterleavedIDs: &[2]int{0, 1},
	}.Marshal()
	t.open()
}

// open sends a packet each way out, so that firewalls let the answers in.
func (t *tunnel) open() {
	if to := t.to(false); to.Port != 0 {
		b, _ := (&rtp.Packet{Header: rtp.Header{Version: 2}}).Marshal()
		_, _ = t.rtp.WriteToUDP(b, to)
	}
	t.sendRTCP(&rtcp.ReceiverReport{})
}

func (t *tunnel) to(control bool) *net.UDPAddr {
	t.setups.Lock()
	defer t.setups.Unlock()
	if control {
		return t.rtcpTo
	}
	return t.rtpTo
}

func (t *tunnel) sendRTCP(p rtcp.Packet) {
	to := t.to(true)
	if to.Port == 0 {
		return
	}
	if b, err := p.Marshal(); err == nil {
		_, _ = t.rtcp.WriteToUDP(b, to)
	}
}

// ours says whether a datagram is the camera's. A camera that named no port is
// taken at the address that it sends from.
func ours(from, camera *net.UDPAddr) bool {
	return from.IP.Equal(camera.IP) && (camera.Port == 0 || from.Port == camera.Port)
}

// atOnce is how many datagrams are taken from the kernel in one call, if so many
// are there: some of a picture's packets, which come together.
const atOnce = 16

// readRTP puts the camera's packets in order and hands them on. What has come
// together goes on together: waking the client costs more than its packets do.
func (t *tunnel) readRTP() {
	defer t.hangUp()
	order := &stream.Reorderer{Wait: t.wait}
	socket := ipv4.NewPacketConn(t.rtp) // reads of IPv6, too: addresses have their own form
	batch := make([]ipv4.Message, atOnce)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, maxDatagram)}
	}
	for {
		until, _ := order.Deadline() // zero: no deadline
		_ = t.rtp.SetReadDeadline(until)
		n, err := socket.ReadBatch(batch, 0)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		now := time.Now()
		t.frames = t.frames[:0]
		for _, m := range batch[:max(0, n)] {
			from, ok := m.Addr.(*net.UDPAddr)
			if !ok || !ours(from, t.to(false)) {
				continue
			}
			p := &rtp.Packet{}
			if p.Unmarshal(slices.Clone(m.Buffers[0][:m.N])) != nil {
				continue // what is not RTP is missed like a lost packet
			}
			t.forward(order.Push(p, now), now)
		}
		t.forward(order.Expire(now), now)
		if t.write(t.frames) != nil {
			return
		}
	}
}

// forward makes frames of packets, for the client.
func (t *tunnel) forward(packets []stream.Packet, now time.Time) {
	for _, p := range packets {
		_, _, _ = t.receiver.ProcessPacket2(p.Packet, now, true) // for the reports alone
		size := p.MarshalSize()
		at := len(t.frames) + interleavedHeader
		t.frames = slices.Grow(t.frames, interleavedHeader+size)[:at+size]
		if n, err := p.MarshalTo(t.frames[at:]); err != nil || n != size {
			t.frames = t.frames[:at-interleavedHeader]
			continue
		}
		interleave(t.frames[at-interleavedHeader:], 0, size)
	}
}

// interleavedHeader is the length of what is before each packet that comes
// through the RTSP connection (RFC 2326, 10.12).
const interleavedHeader = 4

func interleave(b []byte, channel byte, size int) {
	b[0], b[1], b[2], b[3] = '$', channel, byte(size>>8), byte(size)
}

// maxDatagram is the largest UDP payload over IPv4 and IPv6.
const maxDatagram = 65527

// readRTCP hands on what the camera reports.
func (t *tunnel) readRTCP() {
	defer t.hangUp()
	buf := make([]byte, interleavedHeader+maxDatagram)
	for {
		n, from, err := t.rtcp.ReadFromUDP(buf[interleavedHeader:])
		if err != nil {
			return
		}
		if !ours(from, t.to(true)) {
			continue
		}
		packets, err := rtcp.Unmarshal(buf[interleavedHeader : interleavedHeader+n])
		if err != nil {
			continue
		}
		for _, p := range packets {
			if sr, ok := p.(*rtcp.SenderReport); ok {
				t.receiver.ProcessSenderReport(sr, time.Now())
			}
		}
		interleave(buf, 1, n)
		if t.write(buf[:interleavedHeader+n]) != nil {
			return
		}
	}
}

// write hands frames to the client.
func (t *tunnel) write(frames []byte) error {
	if len(frames) == 0 {
		return nil
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	_, err := t.far.Write(frames)
	return err
}
