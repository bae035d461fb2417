package gate

import (
	"bytes"
	"encoding/json"
	"fmt"

	"dashline/internal/config"
)

// Shared is a configuration as both builds get it: what it says beside the defaults,
// so that a build takes it that does not know a key yet which is as always. Lanes
// are looked for after objects where it is left open, and rungs are not measured
// at start where there are none. A rate is for what comes faster: here a frame comes
// when the one before is done, and each is to be worked on.
func Shared(cfg config.Config) (string, error) {
	cfg.Rate = 0
	if cfg.Layout == "auto" {
		cfg.Layout = "order"
	}
	if len(cfg.Ladder) == 0 {
		cfg.Measure = 0
	}
	base := config.Default()
	var all, usual map[string]any
	for _, x := range []struct {
		cfg  *config.Config
		into *map[string]any
	}{{&cfg, &all}, {&base, &usual}} {
		text, err := config.JSON(x.cfg)
		if err != nil {
			return "", err
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(x.into); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(unusual(all, usual)) // which is YAML, too
	if err != nil {
		return "", err
	}
	if _, err := config.Parse("configuration", text); err != nil {
		return "", fmt.Errorf("the configuration does not read back: %w", err)
	}
	return string(text), nil
}

// unusual is what of all differs from what is usual.
func unusual(all, usual map[string]any) map[string]any {
	some := map[string]any{}
	for k, v := range all {
		inner, isMap := v.(map[string]any)
		u, wasMap := usual[k].(map[string]any)
		if isMap && wasMap {
			if d := unusual(inner, u); len(d) > 0 {
				some[k] = d
			}
			continue
		}
		a, _ := json.Marshal(v)
		b, _ := json.Marshal(usual[k])
		if !bytes.Equal(a, b) {
			some[k] = v
		}
	}
	return some
}
