package ladder

import (
	"fmt"
	"path/filepath"

	"dashline/model/catalog"
)

// Describe writes the accuracy that was measured of each network of the study, the
// baselines' too, into its description. dir is that of the study's options. Where only
// agreement was measured it does nothing: that is no accuracy.
func (s *Study) Describe(dir string) error {
	if s.Ladder.Accuracy != labelled {
		return nil
	}
	rows := append([]Row(nil), s.Rows...)
	for _, b := range s.Baselines {
		rows = append(rows, b.Row)
	}
	done := map[string]bool{}
	for _, r := range rows {
		if r.Accuracy <= 0 || done[r.Network] { // the same on another engine
			continue
		}
		done[r.Network] = true
		file := filepath.Join(dir, filepath.FromSlash(r.Network))
		n, err := catalog.Load(file)
		if err != nil {
			return fmt.Errorf("describe what was measured: %w", err)
		}
		n.Accuracy = catalog.Accuracy{AP50: r.Accuracy, Data: s.Ladder.Data}
		if err := catalog.Save(file, n); err != nil {
			return err
		}
	}
	return nil
}
