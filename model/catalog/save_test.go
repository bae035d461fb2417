package catalog

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// Each description of the catalogue is the same after it was saved and loaded,
// but for its files, which are now those that lie there.
func TestSaveLoads(t *testing.T) {
	for _, name := range Names() {
		want, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for i := range want.Files {
			f := &want.Files[i]
			f.Path = filepath.Base(f.Path)
			if err := os.WriteFile(filepath.Join(dir, f.Path), []byte(f.Role), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(dir, "it.yaml")
		if err := Save(file, want); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := Load(file)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range got.Files {
			if got.Files[i].Bytes != int64(len(got.Files[i].Role)) || len(got.Files[i].SHA256) != 64 {
				t.Errorf("%s: file %+v", name, got.Files[i])
			}
			got.Files[i].Bytes, got.Files[i].SHA256 = want.Files[i].Bytes, want.Files[i].SHA256
		}
		got.Dir = ""
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v\nwant %+v", name, got, want)
		}
	}
}

func TestSaveRefuses(t *testing.T) {
	n, err := Get("dashline-tiny")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "it.yaml")
	if err := Save(file, n); err == nil || !strings.Contains(err.Error(), "dashline-tiny.cfg") {
		t.Errorf("without its files: %v", err)
	}
	for i := range n.Files {
		if err := os.WriteFile(filepath.Join(dir, n.Files[i].Path), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.Summary = "it's \"quoted\": # and\nof two lines \\ "
	if err := Save(file, n); err == nil {
		if got, err := Load(file); err != nil || got.Summary != n.Summary {
			t.Errorf("summary %q, %v; want %q", got.Summary, err, n.Summary)
		}
	}
	n.Input.Width = 0
	if err := Save(file, n); err == nil {
		t.Error("a description that is not valid was saved")
	}
}
