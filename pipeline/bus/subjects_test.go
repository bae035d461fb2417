package bus

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTopicsNameTheSchemasThatTheyCarry(t *testing.T) {
	seen := map[Kind]bool{}
	for _, topic := range Topics() {
		if got := string(topic.new().ProtoReflect().Descriptor().FullName()); got != topic.Schema {
			t.Errorf("%s: the table says %s, the message is %s", topic.Kind, topic.Schema, got)
		}
		if !strings.HasSuffix(topic.Subject, "."+string(topic.Kind)) || seen[topic.Kind] || topic.Rate == "" {
			t.Errorf("odd row %+v", topic)
		}
		seen[topic.Kind] = true
	}
}

func TestSubjectAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vehicle, camera := genName().Draw(t, "vehicle"), genName().Draw(t, "camera")
		kind := rapid.SampledFrom(Topics()).Draw(t, "topic").Kind
		s, err := Subject(vehicle, camera, kind)
		if err != nil {
			t.Fatal(err)
		}
		v, c, k, err := ParseSubject(s)
		if err != nil || v != vehicle || c != camera || k != kind {
			t.Fatalf("%s became %s %s %s %v", s, v, c, k, err)
		}
		if err := CheckPattern(s); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNamesThatCannotBeTokens(t *testing.T) {
	for _, name := range []string{"", "front.left", "front left", "*", ">", "a\nb", "vörne", "$SYS", strings.Repeat("x", 65)} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q was taken", name)
		}
		if _, err := Subject("car", name, KindPlan); err == nil || !strings.Contains(err.Error(), "camera: the name") {
			t.Errorf("camera %q: %v", name, err)
		}
		if _, err := Subject(name, "front", KindPlan); err == nil || !strings.Contains(err.Error(), "vehicle: the name") {
			t.Errorf("vehicle %q: %v", name, err)
		}
	}
	if _, err := Subject("car", "front", "sound"); err == nil || !strings.Contains(err.Error(), "detections, tracks, lanes, plan, frames") {
		t.Errorf("kind sound: %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for _, good := range []string{">", "dashline.>", "dashline.*.front.*", "a"} {
		if err := CheckPattern(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "a..b", "a.>.b", "a.b*", "a b", "a.\x00"} {
		if err := CheckPattern(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
