package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/model/catalog"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// content is what an honest server gives. It is larger than any buffer on the way.
var content = func() []byte {
	data := make([]byte, 3<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}()

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// server answers with a handler and keeps what was asked.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	ranges []string
}

func serve(t *testing.T, h func(w http.ResponseWriter, r *http.Request, n int)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		n := len(s.ranges)
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.mu.Unlock()
		h(w, r, n)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.ranges...)
}

// honest serves data with ranges and a strong tag.
func honest(w http.ResponseWriter, r *http.Request, data []byte, tag string) {
	w.Header().Set("ETag", `"`+tag+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// cut announces the whole and breaks the connection after n bytes.
func cut(w http.ResponseWriter, data []byte, n int, tag string) {
	w.Header().Set("ETag", `"`+tag+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func network(url string) catalog.Network {
	return catalog.Network{Name: "test", Files: []catalog.File{
		{Role: "model", Path: "sub/model.onnx", URL: url, SHA256: hash(content), Bytes: int64(len(content))},
	}}
}

func options(t *testing.T) Options {
	return Options{Dir: t.TempDir(), Backoff: time.Millisecond, Attempts: 4, Stall: 10 * time.Second}
}

func check(t *testing.T, o Options, want []byte) {
	t.Helper()
	got, err := os.ReadFile(filepath.Join(o.Dir, "sub", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes with hash %s", len(got), hash(got))
	}
	left(t, o, 1)
}

// left counts the files that are there at the end.
func left(t *testing.T, o Options, want int) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(o.Dir, "sub"))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != want {
		t.Errorf("left behind: %v", entries)
	}
}

func TestFetch(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) { honest(w, r, content, "1") })
	o := options(t)
	var states []State
	var last int64
	o.Report = func(e Event) {
		if len(states) == 0 || states[len(states)-1] != e.State {
			states = append(states, e.State)
		}
		if e.Done < last {
			t.Errorf("progress went back from %d to %d", last, e.Done)
		}
		last = e.Done
	}
	got, err := Fetch(t.Context(), network(s.URL), o)
	if err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
	if len(got) != 1 || got[0].SHA256 != hash(content) || got[0].Present || got[0].Recorded {
		t.Errorf("%+v", got)
	}
	if fmt.Sprint(states) != "[started running finished]" || last != int64(len(content)) {
		t.Errorf("%v, %d", states, last)
	}

	// What is there and right is left alone; with Force it is not.
	last = 0
	if got, err = Fetch(t.Context(), network(s.URL), o); err != nil || !got[0].Present || len(s.asked()) != 1 {
		t.Errorf("%+v, %v, %d requests", got, err, len(s.asked()))
	}
	o.Force, last = true, 0
	if got, err = Fetch(t.Context(), network(s.URL), o); err != nil || got[0].Present || len(s.asked()) != 2 {
		t.Errorf("%+v, %v, %d requests", got, err, len(s.asked()))
	}

	// What is there and wrong is replaced.
	o.Force, last = false, 0
	if err := os.WriteFile(filepath.Join(o.Dir, "sub", "model.onnx"), []byte("wrong"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Error(err)
	}
	check(t, o, content)
}

func TestResumeAfterTruncation(t *testing.T) {
	half := len(content) / 2
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 0 {
			cut(w, content, half, "1")
		}
		honest(w, r, content, "1")
	})
	o := options(t)
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
	if asked := s.asked(); len(asked) != 2 || asked[1] != fmt.Sprintf("bytes=%d-", half) {
		t.Errorf("asked for %q", asked)
	}
}

func TestGivesUpAndKeepsThePart(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if broken.Load() {
			if n > 0 {
				panic(http.ErrAbortHandler)
			}
			cut(w, content, 1000, "1")
		}
		honest(w, r, content, "1")
	})
	o := options(t)
	_, err := Fetch(t.Context(), network(s.URL), o)
	if err == nil || !strings.Contains(err.Error(), "gave up after 4 attempts") {
		t.Fatalf("%v", err)
	}
	left(t, o, 2) // the part and its note
	broken.Store(false)
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
	asked := s.asked()
	if asked[len(asked)-1] != "bytes=1000-" {
		t.Errorf("asked for %q", asked)
	}
}

// Between two requests the remote file changes: the server answers If-Range
// with the whole of the new version, and nothing of the old one is left.
func TestTheFileChangesBetweenRequests(t *testing.T) {
	old := bytes.Repeat([]byte("old"), len(content)/3)
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 0 {
			cut(w, append(bytes.Clone(old), content[len(old):]...), 100_000, "old")
		}
		if r.Header.Get("If-Range") != `"old"` && n == 1 {
			t.Errorf("If-Range is %q", r.Header.Get("If-Range"))
		}
		honest(w, r, content, "new")
	})
	o := options(t)
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
}

// A server that ignores If-Range joins two versions; the hash sees it, and one
// fresh download mends it.
func TestAServerThatJoinsTwoVersions(t *testing.T) {
	old := bytes.Repeat([]byte("old"), 1+len(content)/3)[:len(content)]
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 0 {
			cut(w, old, 100_000, "old")
		}
		r.Header.Del("If-Range")
		honest(w, r, content, "new")
	})
	o := options(t)
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
	if asked := s.asked(); len(asked) != 3 || asked[1] == "" || asked[2] != "" {
		t.Errorf("asked for %q", asked)
	}
}

func TestAServerThatIgnoresRanges(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 0 {
			cut(w, content, 5000, "1")
		}
		r.Header.Del("Range")
		honest(w, r, content, "1")
	})
	o := options(t)
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
}

func TestAServerThatAnswersAnotherRange(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		switch n {
		case 0:
			cut(w, content, 5000, "1")
		case 1:
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-99/%d", len(content)))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content[:100])
		default:
			honest(w, r, content, "1")
		}
	})
	o := options(t)
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
}

func TestStall(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n > 0 {
			honest(w, r, content, "1")
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:7000])
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client hangs up
	})
	o := options(t)
	o.Stall = 200 * time.Millisecond
	var why error
	o.Report = func(e Event) {
		if e.State == Retrying {
			why = e.Err
		}
	}
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
	if !errors.Is(why, errStalled) {
		t.Errorf("tried again because of %v", why)
	}
}

func TestStallBeforeTheAnswer(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n > 0 {
			honest(w, r, content, "1")
			return
		}
		<-r.Context().Done()
	})
	o := options(t)
	o.Stall = 200 * time.Millisecond
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
}

func TestCancelKeepsThePart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if n > 0 {
			honest(w, r, content, "1")
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content[:9000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	o := options(t)
	o.Report = func(e Event) {
		if e.State == Running && e.Done == 9000 {
			cancel()
		}
	}
	_, err := Fetch(ctx, network(s.URL), o)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	info, err := os.Stat(filepath.Join(o.Dir, "sub", "model.onnx.part"))
	if err != nil || info.Size() != 9000 {
		t.Fatalf("%v, %v", info, err)
	}
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
	if asked := s.asked(); asked[1] != "bytes=9000-" {
		t.Errorf("asked for %q", asked)
	}
}

func TestRefused(t *testing.T) {
	wrong := bytes.Clone(content)
	wrong[12345] ^= 1
	for _, c := range []struct {
		name     string
		handler  func(w http.ResponseWriter, r *http.Request, n int)
		edit     func(*catalog.File)
		want     string
		requests int
	}{
		{"wrong bytes", func(w http.ResponseWriter, r *http.Request, _ int) { honest(w, r, wrong, "1") }, nil,
			"sha256 is " + hash(wrong) + ", expected " + hash(content) + ": the address gives another file", 1},
		{"wrong length", func(w http.ResponseWriter, r *http.Request, _ int) { honest(w, r, content[1:], "1") }, nil,
			fmt.Sprintf("length is %d, expected %d", len(content)-1, len(content)), 1},
		{"too long, and does not say so", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.(http.Flusher).Flush()
			_, _ = w.Write(content)
			_, _ = w.Write(content)
		}, nil, "the server sends more than the 3145728 bytes", 1},
		{"too long for a length that is not described", func(w http.ResponseWriter, r *http.Request, _ int) { honest(w, r, content, "1") },
			func(f *catalog.File) { f.Bytes, f.SHA256 = 0, "" }, "are more than the limit of 1048576", 1},
		{"endless", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.(http.Flusher).Flush()
			for {
				if _, err := w.Write(content[:1<<16]); err != nil {
					return
				}
			}
		}, func(f *catalog.File) { f.Bytes, f.SHA256 = 0, "" }, "the server sends more than the 1048576 bytes", 1},
		{"not found", func(w http.ResponseWriter, r *http.Request, _ int) { http.NotFound(w, r) }, nil,
			"the server says 404 Not Found: the address in the description is wrong", 1},
		{"web page", func(w http.ResponseWriter, r *http.Request, _ int) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<html>log in</html>")
		}, func(f *catalog.File) { f.Bytes, f.SHA256 = 0, "" }, "sends a web page and not the file", 1},
		{"empty", func(w http.ResponseWriter, r *http.Request, _ int) {}, func(f *catalog.File) { f.Bytes, f.SHA256 = 0, "" }, "sends an empty file", 1},
		{"server error", func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Error(w, "no", http.StatusServiceUnavailable)
		}, nil,
			"503 Service Unavailable (gave up after 4 attempts", 4},
		{"redirect loop", func(w http.ResponseWriter, r *http.Request, _ int) { http.Redirect(w, r, "/", http.StatusFound) }, nil, "more than 10 redirects", 10},
		{"redirect to a file", func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, nil, "redirects to file:///etc/passwd, which is not https", 1},
		{"no address", nil, func(f *catalog.File) { f.URL = "" }, "no address is known: put the file into", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.handler)
			n := network(s.URL)
			if c.edit != nil {
				c.edit(&n.Files[0])
			}
			o := options(t)
			o.MaxBytes = 1 << 20
			_, err := Fetch(t.Context(), n, o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if got := len(s.asked()); got != c.requests {
				t.Errorf("%d requests, want %d", got, c.requests)
			}
			// Nothing is left that could be taken for the file.
			found := 0
			_ = filepath.Walk(o.Dir, func(_ string, info os.FileInfo, err error) error {
				if err == nil && !info.IsDir() {
					found++
				}
				return nil
			})
			if found != 0 {
				t.Errorf("%d files left behind", found)
			}
		})
	}
}

func TestHTTPSNeverLeadsToHTTP(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://example.invalid/model.onnx", http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	o := options(t)
	o.Transport = secure.Client().Transport
	_, err := Fetch(t.Context(), network(secure.URL), o)
	secure.Client().CloseIdleConnections()
	if err == nil || !strings.Contains(err.Error(), "redirects to http://example.invalid/model.onnx, which is not https") {
		t.Errorf("%v", err)
	}
}

func TestRedirect(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		honest(w, r, content, "1")
	})
	o := options(t)
	if _, err := Fetch(t.Context(), network(s.URL), o); err != nil {
		t.Fatal(err)
	}
	check(t, o, content)
}

func TestTrustOnFirstUse(t *testing.T) {
	var now atomic.Pointer[[]byte]
	now.Store(&content)
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) { honest(w, r, *now.Load(), hash(*now.Load())) })
	n := network(s.URL)
	n.Files[0].SHA256, n.Files[0].Bytes = "", 0
	o := options(t)
	got, err := Fetch(t.Context(), n, o)
	if err != nil || !got[0].Recorded || got[0].SHA256 != hash(content) {
		t.Fatalf("%+v, %v", got, err)
	}
	record := filepath.Join(o.Dir, "sub", "model.onnx.sha256")
	if data, err := os.ReadFile(record); err != nil || string(data) != hash(content)+"  model.onnx\n" {
		t.Errorf("%q, %v", data, err)
	}
	if got, err = Fetch(t.Context(), n, o); err != nil || !got[0].Present || got[0].Recorded {
		t.Errorf("%+v, %v", got, err)
	}

	other := content[1:]
	now.Store(&other)
	o.Force = true
	_, err = Fetch(t.Context(), n, o)
	var differs *HashError
	if !errors.As(err, &differs) || differs.Recorded != record {
		t.Errorf("%v", err)
	}
	if data, err := os.ReadFile(filepath.Join(o.Dir, "sub", "model.onnx")); err != nil || !bytes.Equal(data, content) {
		t.Errorf("the trusted file was touched: %d bytes, %v", len(data), err)
	}
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	if got, err = Fetch(t.Context(), n, o); err != nil || !got[0].Recorded {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTwoAtOnce(t *testing.T) {
	var once sync.Once
	reached, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		once.Do(func() { close(reached) })
		<-release
		honest(w, r, content, "1")
	})
	o := options(t)
	var first error
	var wg sync.WaitGroup
	wg.Go(func() { _, first = Fetch(t.Context(), network(s.URL), o) })
	<-reached
	_, err := Fetch(t.Context(), network(s.URL), o)
	close(release)
	wg.Wait()
	if err == nil || !strings.Contains(err.Error(), "another fetch of this file is running") {
		t.Errorf("%v", err)
	}
	if first != nil {
		t.Error(first)
	}
	check(t, o, content)
}

func TestContentRange(t *testing.T) {
	for text, want := range map[string][3]int64{
		"bytes 5-9/10": {5, 10, 1},
		"bytes 5-9/*":  {5, 0, 1},
		"bytes */10":   {},
		"bytes 5-9/5":  {5, 5, 0},
		"items 5-9/10": {},
		"":             {},
		"bytes -1-2/3": {},
	} {
		start, length, ok := contentRange(text)
		if ok != (want[2] == 1) || ok && (start != want[0] || length != want[1]) {
			t.Errorf("%q: %d, %d, %v", text, start, length, ok)
		}
	}
}
