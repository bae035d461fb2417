// Command said prints, of each recording, the SHA-256 of what its run said, in its
// order: every message and report as it was encoded, decisions included. Two runs that
// said the same have the same sum, whenever and wherever they ran. A recording that is
// damaged is an error.
//
//	go run ./internal/tools/said a.mcap b.mcap
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"dashline/pipeline/msg"
	"dashline/pipeline/record"
)

func main() {
	if err := said(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "said:", err)
		os.Exit(1)
	}
}

func said(to io.Writer, files []string) error {
	if len(files) == 0 {
		return errors.New("give recordings (.mcap)")
	}
	for _, file := range files {
		s, err := sum(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		fmt.Fprintln(to, s, file)
	}
	return nil
}

// sum reads the messages of a recording. Packets are the source's and not the run's,
// and the recorder's account is of the disk.
func sum(file string) (string, error) {
	r, err := record.Open(file)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	messages := 0
	outcomes, rungs := map[msg.Outcome]int{}, map[string]int{}
	for m := range r.Messages(record.Query{}) {
		if !strings.HasPrefix(m.Topic, "dashline.") || strings.HasSuffix(m.Topic, ".packets") || strings.HasSuffix(m.Topic, ".recorder") {
			continue
		}
		fmt.Fprintf(h, "%s %d ", m.Topic, len(m.Data)) // so that nothing runs into the next
		h.Write(m.Data)
		messages++
		v, err := m.Value()
		if err != nil {
			return "", err
		}
		if report, ok := v.(*msg.FrameReport); ok {
			outcomes[report.Outcome]++
			rungs[report.Rung]++
		}
	}
	if p := r.Problems(); len(p) > 0 {
		return "", errors.New(strings.Join(p, "; "))
	}
	if messages == 0 {
		return "", errors.New("no message of a run is in it")
	}
	return fmt.Sprintf("%x %d messages, outcomes %v, rungs %v", h.Sum(nil), messages, outcomes, rungs), nil
}
