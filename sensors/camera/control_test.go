package camera

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dashline/internal/avenc"
)

func TestControl(t *testing.T) {
	s := serve(t, Options{Source: testFilm(t, 10, avenc.Options{}), Count: 2, Faults: Faults{Loss: 0.5}})
	h := s.Control()
	ask := func(method, path, body string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	code, body := ask("GET", "/cameras", "")
	var all []Report
	if err := json.Unmarshal([]byte(body), &all); code != http.StatusOK || err != nil || len(all) != 2 || all[1].URL != s.URLs()[1] || all[1].Faults.Loss != 0.5 {
		t.Errorf("GET /cameras: %d %s", code, body)
	}
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/cameras/1/faults", "", 200, `"loss":0.5`},
		{"PATCH", "/cameras/1/faults", `{"jitter":"20ms"}`, 200, `"loss":0.5`},
		{"GET", "/cameras/1/faults", "", 200, `"jitter":"20ms"`},
		{"PUT", "/cameras/1/faults", `{"duplicate":0.25}`, 200, `"loss":0,`},
		{"GET", "/cameras/1/faults", "", 200, `"duplicate":0.25`},
		{"PATCH", "/cameras/1/faults", `{"rtp_jump":"-90s"}`, 200, `"rtp_jump":"-1m30s"`},
		{"PATCH", "/cameras/1/faults", `{"rtp_jump":"0s"}`, 200, `"rtp_jump":"0s"`},
		{"PATCH", "/cameras/1/faults", `{"rtp_jump":"7h"}`, 400, `give -6h`},
		{"GET", "/cameras/0/faults", "", 200, `"loss":0.5`},
		{"PUT", "/cameras/1/faults", `{"los":0.25}`, 400, `unknown field`},
		{"PUT", "/cameras/1/faults", `{"loss":2}`, 400, `from 0 to 1`},
		{"PUT", "/cameras/1/faults", `{} {}`, 400, `one JSON object`},
		{"PUT", "/cameras/1/faults", ``, 400, `not the faults`},
		{"PUT", "/cameras/1/faults", `{"sdp":"` + strings.Repeat("x", maxBody) + `"}`, 413, `longer than`},
		{"PUT", "/cameras/1/faults", `{}` + strings.Repeat(" ", maxBody), 413, `longer than`},
		{"GET", "/cameras/1/faults", "", 200, `"duplicate":0.25`},
		{"GET", "/cameras/2/faults", "", 404, `0 to 1`},
		{"GET", "/cameras/x/faults", "", 404, `0 to 1`},
		{"DELETE", "/cameras/1/faults", "", 405, ``},
	} {
		if code, body := ask(tt.method, tt.path, tt.body); code != tt.code || !strings.Contains(body, tt.want) {
			t.Errorf("%s %s %.40s: %d %.200s; want %d with %s", tt.method, tt.path, tt.body, code, body, tt.code, tt.want)
		}
	}
	if f := s.Faults(1); f != (Faults{Duplicate: 0.25}) || time.Duration(f.Jitter) != 0 {
		t.Errorf("faults are %+v", f)
	}
}
