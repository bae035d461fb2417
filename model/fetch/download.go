package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

var errStalled = errors.New("no byte came for too long")

// download makes one request and appends to the part, or begins it anew. It
// returns nil when the part is as long as the server says the file is.
func (j *job) download(ctx context.Context, p *part) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if p.note.URL != j.URL || p.note.Validator == "" {
		if err := p.reset(); err != nil {
			return permanent{err}
		}
	}
	if p.size > 0 && p.size == j.Bytes { // was cut off just before it was verified
		j.resumed = true
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.URL, nil)
	if err != nil {
		return permanent{err}
	}
	req.Header.Set("User-Agent", "dashline")
	req.Header.Set("Accept-Encoding", "identity")
	if p.size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		req.Header.Set("If-Range", p.note.Validator)
	}
	resp, err := j.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	total, err := j.accept(resp, p)
	if err != nil {
		return err
	}
	j.o.Report(Event{File: j.Path, State: Started, Done: p.size, Total: total})
	return j.copy(cancel, ctx, resp.Body, p, total)
}

// accept judges an answer before its body is read: it prepares the part and
// returns the length of the whole file, 0 where the server does not say.
func (j *job) accept(resp *http.Response, p *part) (int64, error) {
	status := &StatusError{URL: j.URL, Status: resp.Status, Code: resp.StatusCode}
	var total int64
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		if err := p.reset(); err != nil {
			return 0, permanent{err}
		}
		j.resumed = false
		total = max(resp.ContentLength, 0)
	case code == http.StatusPartialContent && p.size > 0:
		start, length, ok := contentRange(resp.Header.Get("Content-Range"))
		if !ok || start != p.size {
			if err := p.reset(); err != nil {
				return 0, permanent{err}
			}
			return 0, fmt.Errorf("%s: the server answers with another range than was asked for (%q)", j.URL, resp.Header.Get("Content-Range"))
		}
		j.resumed = true
		total = length
	case code == http.StatusRequestedRangeNotSatisfiable:
		if err := p.reset(); err != nil {
			return 0, permanent{err}
		}
		return 0, status
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
		return 0, status
	default:
		return 0, permanent{fmt.Errorf("%w: the address in the description is wrong, or the file is gone", status)}
	}
	if err := j.plausible(resp, total); err != nil {
		return 0, permanent{errors.Join(err, p.reset())}
	}
	if resp.StatusCode == http.StatusOK {
		if err := p.begin(note{j.URL, validator(resp.Header)}); err != nil {
			return 0, permanent{err}
		}
	}
	return total, nil
}

// plausible refuses what cannot be the file before a byte of it is stored.
func (j *job) plausible(resp *http.Response, total int64) error {
	if j.Bytes != 0 && total != 0 && total != j.Bytes {
		return &HashError{URL: j.URL, What: "length", Expected: fmt.Sprint(j.Bytes), Got: fmt.Sprint(total), Recorded: ""}
	}
	if j.Bytes == 0 && total > j.o.MaxBytes {
		return fmt.Errorf("%s: %d bytes are more than the limit of %d for a file whose length is not described", j.URL, total, j.o.MaxBytes)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "text/html" {
		return fmt.Errorf("%s: the server sends a web page and not the file: the address in the description is not that of the plain file", j.URL)
	}
	return nil
}

// validator is what If-Range can name this version by. Weak tags do not do
// (RFC 9110, 13.1.5).
func validator(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}

// contentRange reads "bytes 5-9/10". An unknown length is 0.
func contentRange(s string) (start, length int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	if !ok {
		return 0, 0, false
	}
	span, whole, ok := strings.Cut(s, "/")
	first, _, dash := strings.Cut(span, "-")
	if !ok || !dash {
		return 0, 0, false
	}
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil || start < 0 {
		return 0, 0, false
	}
	if whole == "*" {
		return start, 0, true
	}
	length, err = strconv.ParseInt(whole, 10, 64)
	return start, length, err == nil && length > start
}

// copy reads the body into the part. It ends with an error when the body ends
// early, goes on too long, or stalls.
func (j *job) copy(cancel context.CancelCauseFunc, ctx context.Context, body io.Reader, p *part, total int64) error {
	limit := total
	switch {
	case j.Bytes != 0:
		limit = j.Bytes
	case total == 0:
		limit = j.o.MaxBytes
	}
	stall := time.AfterFunc(j.o.Stall, func() { cancel(errStalled) })
	defer stall.Stop()
	buffer := make([]byte, 64<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			stall.Reset(j.o.Stall)
			if p.size+int64(n) > limit {
				return permanent{errors.Join(fmt.Errorf("%s: the server sends more than the %d bytes that the file can have", j.URL, limit), p.reset())}
			}
			if _, err := p.Write(buffer[:n]); err != nil {
				return permanent{err}
			}
			j.o.Report(Event{File: j.Path, State: Running, Done: p.size, Total: total})
		}
		switch {
		case err == io.EOF:
			return j.whole(p, total)
		case err != nil && errors.Is(context.Cause(ctx), errStalled):
			return fmt.Errorf("%s: %w (%v)", j.URL, errStalled, j.o.Stall)
		case err != nil:
			return fmt.Errorf("%s: after %d bytes: %w", j.URL, p.size, err)
		}
	}
}

// whole says whether the part is as long as it has to be.
func (j *job) whole(p *part, total int64) error {
	want := total
	if j.Bytes != 0 {
		want = j.Bytes
	}
	if want != 0 && p.size < want {
		return fmt.Errorf("%s: ended after %d of %d bytes", j.URL, p.size, want)
	}
	if p.size == 0 {
		return permanent{fmt.Errorf("%s: the server sends an empty file", j.URL)}
	}
	return nil
}
