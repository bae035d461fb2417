package synth

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ByName finds a scenario by its name or file (.yaml) and what may follow it:
// city?seed=3&duration=10s. The seed is 1 and the length 0 where none is given.
func ByName(text string) (sc Scenario, seed uint64, length time.Duration, err error) {
	name, query, _ := strings.Cut(text, "?")
	load := Builtin
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") {
		load = Load
	}
	if sc, err = load(name); err != nil {
		return sc, 0, 0, err
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return sc, 0, 0, fmt.Errorf("what follows the ? is not as in seed=3&duration=10s: %w", err)
	}
	seed = 1
	for key, v := range values {
		switch text := v[len(v)-1]; key {
		case "seed":
			if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
				return sc, 0, 0, fmt.Errorf("seed %q: give a whole number", text)
			}
		case "duration":
			if length, err = time.ParseDuration(text); err != nil || length <= 0 {
				return sc, 0, 0, fmt.Errorf("duration %q: give a time as in 10s", text)
			}
		default:
			return sc, 0, 0, fmt.Errorf("there is no option %q: give seed or duration", key)
		}
	}
	return sc, seed, length, nil
}
