package camera

import (
	"errors"
	"strings"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
)

// handler answers RTSP requests. Its methods are called from many goroutines.
// There is no PAUSE, as with most cameras: a client over TCP may send reports
// after it, which then stand where a request should.
type handler struct{ s *Server }

var errNoCamera = errors.New("there is no such camera")

// camera finds one by path, and sees that the client may watch.
func (h *handler) camera(c *gortsplib.ServerConn, r *base.Request, path string) (*camera, *base.Response, error) {
	if h.s.o.User != "" && !c.VerifyCredentials(r, h.s.o.User, h.s.o.Password) {
		return nil, &base.Response{StatusCode: base.StatusUnauthorized}, liberrors.ErrServerAuth{}
	}
	path = "/" + strings.Trim(path, "/")
	for _, cam := range h.s.cameras {
		if cam.path == path {
			return cam, &base.Response{StatusCode: base.StatusOK}, nil
		}
	}
	return nil, &base.Response{StatusCode: base.StatusNotFound}, errNoCamera
}

// OnDescribe answers DESCRIBE.
func (h *handler) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	cam, res, err := h.camera(ctx.Conn, ctx.Request, ctx.Path)
	if err != nil {
		return res, nil, err
	}
	return res, cam.stream, nil
}

// OnSetup answers SETUP.
func (h *handler) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	cam, res, err := h.camera(ctx.Conn, ctx.Request, ctx.Path)
	if err != nil {
		return res, nil, err
	}
	ctx.Session.SetUserData(cam)
	return res, cam.stream, nil
}

// OnPlay answers PLAY. Who has been let in by SETUP need not prove it again.
func (h *handler) OnPlay(ctx *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	if cam, ok := ctx.Session.UserData().(*camera); ok {
		cam.joined(ctx.Session, ctx.Conn)
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// OnSessionClose is told of the end of a session.
func (h *handler) OnSessionClose(ctx *gortsplib.ServerHandlerOnSessionCloseCtx) {
	if cam, ok := ctx.Session.UserData().(*camera); ok {
		cam.left(ctx.Session)
	}
}

// OnStreamWriteError is told of a client that does not read fast enough.
func (h *handler) OnStreamWriteError(ctx *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	if cam, ok := ctx.Session.UserData().(*camera); ok {
		cam.count(func(s *Stats) { s.Unsent++ })
	}
}

// OnDecodeError is told of what a client sends that makes no sense. Cameras pass
// over it.
func (h *handler) OnDecodeError(*gortsplib.ServerHandlerOnDecodeErrorCtx) {}
