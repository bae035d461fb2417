package version

import "testing"

func TestName(t *testing.T) {
	for want, b := range map[string]Build{
		"v1.2.3":       {Version: "v1.2.3", Commit: "abc"},
		"(devel)-abc":  {Version: "(devel)", Commit: "abc"},
		"(devel)":      {Version: "(devel)"},
		Read().Version: {Version: Read().Version},
	} {
		if got := b.Name(); got != want || got == "" {
			t.Errorf("%+v is %q", b, got)
		}
	}
}
