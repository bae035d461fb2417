package finetune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"strconv"

	"dashline/pipeline/frame"
	"dashline/sensors"
)

// quality of the pictures that are taken out of a drive, of 100.
const quality = 95

// pictures are the folders that the recipe reads: of labelled data those that
// were named, else of each source pictures spread over it, in a folder of the
// run.
func (o *Options) pictures(ctx context.Context, dir string) ([]string, error) {
	if o.Labelled {
		return o.Data, nil
	}
	var folders []string
	for i, source := range o.Data {
		folder := filepath.Join(dir, "pictures", strconv.Itoa(i))
		if err := extract(ctx, source, folder, o.Pictures); err != nil {
			return nil, fmt.Errorf("fine-tune: pictures of %s: %w", source, err)
		}
		folders = append(folders, folder)
	}
	return folders, nil
}

// extract writes pictures of a source into a folder. A folder that is there is
// whole: it has its name last.
func extract(ctx context.Context, source, folder string, most int) (err error) {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	part := folder + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return err
	}
	s, err := sensors.OpenPictures(ctx, source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	n := 0
	for f, err := range sensors.Spread(ctx, s, most) {
		if err != nil {
			return err
		}
		if err := write(filepath.Join(part, fmt.Sprintf("%06d.jpg", n)), f); err != nil {
			return err
		}
		n++
	}
	return os.Rename(part, folder)
}

func write(path string, f *frame.Frame) error {
	picture, err := f.Image.ToImage()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture, &jpeg.Options{Quality: quality}); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
