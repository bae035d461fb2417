package session

import (
	"context"
	"path/filepath"
	"testing"

	"dashline/internal/config"
	"dashline/pipeline/record"
)

// A recording says with which networks of the catalogue it was made, and cannot
// name a file that is then loaded.
func TestRecordingsChooseFromTheCatalogue(t *testing.T) {
	for _, tt := range []struct{ config, detect, lanes string }{
		{"detect: {network: dashline-tiny}\nlanes: {network: dashline-lanes}\n", "dashline-tiny", "dashline-lanes"},
		{"detect: {network: ./planted.yaml}\nlanes: {network: /tmp/planted.yaml}\n", "yolo-fastest-1.1-xl", "twinlitenet-cv46"},
		{"detect: {network: ../dashline-tiny}\n", "yolo-fastest-1.1-xl", "twinlitenet-cv46"},
		{"", "yolo-fastest-1.1-xl", "twinlitenet-cv46"},
	} {
		path := filepath.Join(t.TempDir(), "drive.mcap")
		r, err := record.Create(path, record.Options{Vehicle: "car", Config: tt.config})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		cfg := config.Default()
		cfg.Source, cfg.Detect.Network, cfg.Lanes.Network = path, auto, auto
		if cfg, err = Chosen(cfg); err != nil {
			t.Fatal(err)
		}
		if cfg.Detect.Network != tt.detect || cfg.Lanes.Network != tt.lanes {
			t.Errorf("%q chooses %s and %s; want %s and %s", tt.config, cfg.Detect.Network, cfg.Lanes.Network, tt.detect, tt.lanes)
		}
	}
}
