package accuracy

import (
	"os"
	"strings"
	"testing"

	"dashline/detect/ap"
	"dashline/internal/testkit"
)

func found(t *testing.T, network string, data ...string) *Found {
	t.Helper()
	f, err := Detect(t.Context(), Options{Network: network, Data: data, Every: 4, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A network finds all that it finds itself; a smaller one of the same kind finds
// a part of it, and is not sure in the same order.
func TestAgree(t *testing.T) {
	testkit.UseAssets(t)
	video, stills := testkit.Asset(t, clip), testkit.Asset(t, "drives/carnd_images/lanelines_960x540")
	b := ap.Bootstrap{Resamples: 50, Seed: 1}
	whole := found(t, detector, video, stills)
	self, err := whole.Agree(whole, b)
	if err != nil {
		t.Fatal(err)
	}
	if self.AP != 1 || self.AP50 != 1 || self.Boxes == 0 || self.Pictures != 7 {
		t.Errorf("with itself: %+v", self)
	}
	small := found(t, "yolo-fastest-1.1", video, stills)
	part, err := small.Agree(whole, b)
	if err != nil {
		t.Fatal(err)
	}
	if part.AP50 <= 0.05 || part.AP50 >= 0.99 || part.Boxes != self.Boxes || !part.AP50Interval.Known || part.AP50Interval.Low > part.AP50 || part.AP50Interval.High < part.AP50 {
		t.Errorf("with a larger one: %+v", part)
	}
}

func TestAgreeSaysWhatIsWrong(t *testing.T) {
	testkit.UseAssets(t)
	video := testkit.Asset(t, clip)
	whole := found(t, detector, video)
	fewer := *whole
	fewer.images = fewer.images[1:]
	silent := *whole
	silent.images = make([]ap.Image, len(whole.images))
	other := *whole
	other.Classes = append([]string{"unicorn"}, whole.Classes[1:]...)
	for _, c := range []struct {
		name    string
		f, like *Found
		want    string
	}{
		{"other pictures", &fewer, whole, "ran on 4 and 5 pictures"},
		{"nothing found", whole, &silent, "finds nothing in these pictures"},
		{"other classes", whole, &other, `does not know the class "unicorn"`},
	} {
		if _, err := c.f.Agree(c.like, ap.Bootstrap{Resamples: 1}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	empty := t.TempDir()
	if _, err := Detect(t.Context(), Options{Network: detector, Data: []string{empty}, Plain: true}); err == nil {
		t.Error("an empty folder was taken")
	}
	if err := os.WriteFile(empty+"/a.png", []byte("not a picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Detect(t.Context(), Options{Network: detector, Data: []string{empty}, Plain: true}); err == nil || !strings.Contains(err.Error(), "no picture that can be read") {
		t.Errorf("a folder without a whole picture: %v", err)
	}
}
