package testkit

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"testing"
)

// WritePNG writes a picture as a file.
func WritePNG(t testing.TB, path string, img image.Image) {
	t.Helper()
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
