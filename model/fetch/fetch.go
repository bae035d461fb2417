// Package fetch downloads the files that a network's description names.
//
// Invariants:
//   - A file has its final name only when it is whole and has the described
//     length and hash; until then it is NAME.part. Renaming is atomic.
//   - A file whose hash is not the expected one is removed and refused.
//   - What is read is bounded by the described length, or by MaxBytes.
//   - A download that stops goes on where it stopped, if the server still has
//     the same version (If-Range); cancelling keeps the part.
//   - Where the description has no hash, the first download's is recorded beside
//     the file and holds from then on (trust on first use).
//   - Plain http is followed only where the description itself says http; an
//     https address never leads to a plain one, except on this machine.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dashline/internal/regular"
	"dashline/model/catalog"
)

// Options say how to download. The zero value of a field means its default.
type Options struct {
	Dir      string        // where the files go; must be set
	Force    bool          // download even what is there and right
	Stall    time.Duration // longest time without a byte; 30 s
	Attempts int           // tries for a file before giving up; 6
	Backoff  time.Duration // wait before the second try, doubled after each; 1 s
	MaxBytes int64         // of a file whose length is not described; 2 GiB
	Report   func(Event)   // called from the downloading goroutine; may be nil
	// Transport is used for all requests; nil: one that is made for the call.
	Transport http.RoundTripper
}

// Event tells how a download goes.
type Event struct {
	File  string // name in the description
	State State
	Done  int64 // bytes on disk
	Total int64 // 0 where it is not known
	Err   error // for Retrying: why
	Wait  time.Duration
}

// State is what an Event is about.
type State string

// The states, in the order in which they come. Retrying leads back to Started.
const (
	Present  State = "present"  // there and right: nothing to download
	Started  State = "started"  // Done > 0: goes on from there
	Running  State = "running"  // more bytes came
	Retrying State = "retrying" // after Wait
	Finished State = "finished" // verified and in place
)

// Result is one file in place.
type Result struct {
	Path     string `json:"path"`
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"`
	Present  bool   `json:"present"`  // was there already
	Recorded bool   `json:"recorded"` // the hash was not known and is trusted from now on
}

// HashError says that a download is not the described file.
type HashError struct {
	URL, What, Expected, Got string // What is "sha256" or "length"
	Recorded                 string // file that the expected hash was recorded in, else empty
}

func (e *HashError) Error() string {
	msg := fmt.Sprintf("%s: %s is %s, expected %s", e.URL, e.What, e.Got, e.Expected)
	if e.Recorded != "" {
		return msg + ", which was recorded at the first fetch: the address now gives another file; remove " + e.Recorded + " to accept it"
	}
	return msg + ": the address gives another file than the described one; get it elsewhere, or correct the description if you trust it"
}

// StatusError says that a server refused.
type StatusError struct {
	URL    string
	Status string
	Code   int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s: the server says %s", e.URL, e.Status)
}

// permanent is an error that trying again does not mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Fetch puts all files of a network into o.Dir. It returns those that are in
// place, also beside an error.
func Fetch(ctx context.Context, n catalog.Network, o Options) ([]Result, error) {
	if o.Dir == "" {
		return nil, errors.New("fetch: no folder to put the files into")
	}
	o = o.defaults()
	if o.Transport == nil {
		t := transport(o.Stall)
		defer t.CloseIdleConnections()
		o.Transport = t
	}
	var out []Result
	for _, f := range n.Files {
		r, err := fetchFile(ctx, f, o)
		if err != nil {
			return out, fmt.Errorf("fetch %s: %s: %w", n.Name, f.Path, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func (o Options) defaults() Options {
	if o.Stall <= 0 {
		o.Stall = 30 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 6
	}
	if o.Backoff <= 0 {
		o.Backoff = time.Second
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 2 << 30
	}
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	return o
}

func transport(stall time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: min(stall, 15*time.Second)}).DialContext,
		TLSHandshakeTimeout:   min(stall, 15*time.Second),
		ResponseHeaderTimeout: stall,
		DisableCompression:    true, // lengths and ranges are of the file itself
		ForceAttemptHTTP2:     true,
	}
}

// client follows redirects, but never from https to plain http.
func client(o Options) *http.Client {
	return &http.Client{
		Transport: o.Transport,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= 10 {
				return permanent{errors.New("more than 10 redirects")}
			}
			if r.URL.Scheme != "https" && via[0].URL.Scheme == "https" && !loopback(r.URL) || r.URL.Scheme != "https" && r.URL.Scheme != "http" {
				return permanent{fmt.Errorf("redirects to %s, which is not https", r.URL.Redacted())}
			}
			return nil
		},
	}
}

func loopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// job is one file on its way.
type job struct {
	catalog.File
	o        Options
	client   *http.Client
	dest     string
	want     string // expected hash, "" where none is known
	recorded string // file that want comes from, "" for the description
	resumed  bool   // bytes of an earlier request are in the part
}

func fetchFile(ctx context.Context, f catalog.File, o Options) (Result, error) {
	j := &job{File: f, o: o, client: client(o), dest: filepath.Join(o.Dir, filepath.FromSlash(f.Path)), want: f.SHA256}
	if err := j.recall(); err != nil {
		return Result{}, err
	}
	if !o.Force {
		if r, ok := j.present(); ok {
			o.Report(Event{File: f.Path, State: Present, Done: r.Bytes, Total: r.Bytes})
			return r, nil
		}
	}
	if f.URL == "" {
		return Result{}, fmt.Errorf("no address is known: put the file into %s", filepath.Dir(j.dest))
	}
	if err := os.MkdirAll(filepath.Dir(j.dest), 0o755); err != nil {
		return Result{}, err
	}
	part, err := openPart(j.dest)
	if err != nil {
		return Result{}, err
	}
	defer part.Close()
	return j.try(ctx, part)
}

// recordFile is where a hash is kept that the description does not have.
func (j *job) recordFile() string { return j.dest + ".sha256" }

// recall reads the hash of an earlier fetch.
func (j *job) recall() error {
	if j.want != "" {
		return nil
	}
	data, err := os.ReadFile(j.recordFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	hash, _, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
	if b, err := hex.DecodeString(hash); err != nil || len(b) != sha256.Size {
		return fmt.Errorf("%s holds no sha256: remove it to trust the next download", j.recordFile())
	}
	j.want, j.recorded = hash, j.recordFile()
	return nil
}

// present says whether the file is there and right.
func (j *job) present() (Result, bool) {
	sum, n, err := hashFile(j.dest)
	if err != nil || j.Bytes != 0 && n != j.Bytes || j.want != "" && sum != j.want {
		return Result{}, false
	}
	r := Result{Path: j.dest, Bytes: n, SHA256: sum, Present: true}
	if j.want == "" {
		r.Recorded = j.record(sum) == nil
	}
	return r, true
}

func (j *job) record(sum string) error {
	return os.WriteFile(j.recordFile(), []byte(sum+"  "+filepath.Base(j.dest)+"\n"), 0o644)
}

func hashFile(path string) (string, int64, error) {
	f, err := regular.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// try downloads until the part is whole and right, the attempts are used up, or
// trying again is of no use.
func (j *job) try(ctx context.Context, p *part) (Result, error) {
	wait := j.o.Backoff
	for attempt := 1; ; attempt++ {
		err := j.download(ctx, p)
		if err == nil {
			var r Result
			if r, err = j.settle(p); err == nil {
				j.o.Report(Event{File: j.Path, State: Finished, Done: r.Bytes, Total: r.Bytes})
				return r, nil
			}
		}
		var final permanent
		switch {
		case ctx.Err() != nil:
			return Result{}, fmt.Errorf("%w (the part is kept, the same command goes on)", context.Cause(ctx))
		case errors.As(err, &final):
			return Result{}, final.error
		case attempt >= j.o.Attempts:
			return Result{}, fmt.Errorf("%w (gave up after %d attempts; the part is kept, the same command goes on)", err, attempt)
		}
		j.o.Report(Event{File: j.Path, State: Retrying, Err: err, Wait: wait, Done: p.size})
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, time.Minute)
	}
}

// settle verifies a whole part and gives it its name.
func (j *job) settle(p *part) (Result, error) {
	if err := p.file.Sync(); err != nil {
		return Result{}, permanent{err}
	}
	sum, n, err := hashFile(p.path)
	if err != nil {
		return Result{}, permanent{err}
	}
	if j.want != "" && sum != j.want {
		wrong := &HashError{URL: j.URL, What: "sha256", Expected: j.want, Got: sum, Recorded: j.recorded}
		again := j.resumed // two versions may have been joined
		j.resumed = false
		if err := p.reset(); err != nil {
			return Result{}, permanent{err}
		}
		if again {
			return Result{}, wrong
		}
		return Result{}, permanent{errors.Join(wrong, p.remove())}
	}
	r := Result{Path: j.dest, Bytes: n, SHA256: sum}
	if j.want == "" {
		if err := j.record(sum); err != nil {
			return Result{}, permanent{err}
		}
		r.Recorded = true
	}
	if err := p.finish(j.dest); err != nil {
		return Result{}, permanent{err}
	}
	return r, nil
}
