package camera

// Stats counts what a camera did since its start. Packets are RTP's.
type Stats struct {
	Clients  int    `json:"clients"`  // that are watching now
	Sessions uint64 `json:"sessions"` // that began to watch

	Frames     uint64 `json:"frames"`      // handed to the link
	KeyFrames  uint64 `json:"key_frames"`  // of these
	NotSent    uint64 `json:"not_sent"`    // frames that a freeze swallowed
	Packets    uint64 `json:"packets"`     // that left, copies included
	Bytes      uint64 `json:"bytes"`       // of their payloads
	Reports    uint64 `json:"reports"`     // RTCP sender reports
	Lost       uint64 `json:"lost"`        // packets lost one by one
	BurstLost  uint64 `json:"burst_lost"`  // lost in bursts
	Overflowed uint64 `json:"overflowed"`  // lost where the slow link's queue was full
	Reordered  uint64 `json:"reordered"`   // that were overtaken
	Duplicated uint64 `json:"duplicated"`  // that left twice
	Truncated  uint64 `json:"truncated"`   // cut short
	Flipped    uint64 `json:"flipped"`     // with a wrong bit
	Disconnect uint64 `json:"disconnects"` // sessions that were closed
	Switches   uint64 `json:"switches"`    // from one encoding of the film to another
	// Unsent counts packets that a client lacks because it does not read: its
	// queue was full. It is no fault that was asked for.
	Unsent uint64 `json:"unsent"`
	// Error is why the camera ended by itself; empty while it runs.
	Error string `json:"error,omitempty"`
}
