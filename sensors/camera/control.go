package camera

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// maxBody bounds what a request may say.
const maxBody = 64 << 10

// Report is what a camera is, did and does wrong.
type Report struct {
	Camera int    `json:"camera"`
	URL    string `json:"url"`
	Stats  Stats  `json:"stats"`
	Faults Faults `json:"faults"`
}

// Reports are those of all cameras.
func (s *Server) Reports() []Report {
	var all []Report
	for i, url := range s.URLs() {
		all = append(all, Report{i, url, s.Stats(i), s.Faults(i)})
	}
	return all
}

// Control is an HTTP interface, all of it JSON:
//
//	GET   /cameras              a list of Report
//	GET   /cameras/{n}/faults   Faults
//	PUT   /cameras/{n}/faults   replaces them: what is not named is none
//	PATCH /cameras/{n}/faults   changes what is named
//
// A change answers with the faults in force, an error with {"error": "..."}. It
// asks nobody who they are, so it is for this machine's own network.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cameras", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.Reports()) })
	mux.HandleFunc("GET /cameras/{n}/faults", s.faultsOf(func(_ *http.Request, _ Faults) (Faults, bool, error) { return Faults{}, false, nil }))
	mux.HandleFunc("PUT /cameras/{n}/faults", s.faultsOf(func(r *http.Request, _ Faults) (Faults, bool, error) { return body(r, Faults{}) }))
	mux.HandleFunc("PATCH /cameras/{n}/faults", s.faultsOf(body))
	return mux
}

// faultsOf answers a request about one camera's faults. change gives the new ones,
// and whether there are any.
func (s *Server) faultsOf(change func(r *http.Request, now Faults) (Faults, bool, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 || n >= len(s.cameras) {
			refuse(w, http.StatusNotFound, fmt.Errorf("there is no camera %.20q: give 0 to %d", r.PathValue("n"), len(s.cameras)-1))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		f, changes, err := change(r, s.Faults(n))
		if err == nil && changes {
			err = s.SetFaults(n, f)
		}
		var large *http.MaxBytesError
		switch {
		case errors.As(err, &large):
			refuse(w, http.StatusRequestEntityTooLarge, fmt.Errorf("the request is longer than %d bytes", maxBody))
		case err != nil:
			refuse(w, http.StatusBadRequest, err)
		default:
			answer(w, http.StatusOK, s.Faults(n))
		}
	}
}

// body reads faults on top of others.
func body(r *http.Request, f Faults) (Faults, bool, error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, false, fmt.Errorf("the request is not the faults of a camera as JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
			return f, false, err
		}
		return f, false, errors.New("the request goes on after the faults: send one JSON object")
	}
	return f, true, nil
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

func refuse(w http.ResponseWriter, code int, err error) {
	answer(w, code, struct {
		Error string `json:"error"`
	}{err.Error()})
}
