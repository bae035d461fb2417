package embedded

import (
	"net"
	"testing"

	"dashline/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// What it really listens on, and not what it says.
func TestListensOnLoopbackOnly(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if at := s.s.Addr(); !at.(*net.TCPAddr).IP.IsLoopback() {
		t.Errorf("listens at %s", at)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
