// Command golden writes objects as the Go types of the Kubernetes API encode them, as protobuf and as
// JSON, for the tests of k2d's own encoding. Every field is filled, as deep as the argument says.
//
//	cd src/schema/generate && go run ./golden 3 > ../../../tests/fixtures/protobuf/golden.txt
//
// A line is: group version, kind, protobuf in base64, JSON, with tabs between. A second run writes
// the same bytes.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strconv"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

var registries = []func(*runtime.Scheme) error{
	corev1.AddToScheme, admissionregistrationv1.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme,
	appsv1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme, autoscalingv1.AddToScheme,
	autoscalingv2.AddToScheme, batchv1.AddToScheme, certificatesv1.AddToScheme, coordinationv1.AddToScheme,
	discoveryv1.AddToScheme, eventsv1.AddToScheme, flowcontrolv1.AddToScheme, metricsv1beta1.AddToScheme,
	networkingv1.AddToScheme, nodev1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme, schedulingv1.AddToScheme,
	storagev1.AddToScheme,
}

type message interface{ Marshal() ([]byte, error) }

// filler fills values with a counter, so that every field has another value.
type filler struct {
	count int
	depth int
}

func (f *filler) next() int {
	f.count++
	return f.count
}

func (f *filler) fill(v reflect.Value, depth int) {
	n := f.next()
	switch v.Addr().Interface().(type) {
	case *metav1.TypeMeta:
		return
	case *resource.Quantity:
		texts := []string{"100m", "1Gi", "3", "1500m", "5e3", "7Ki"}
		v.Set(reflect.ValueOf(resource.MustParse(texts[n%len(texts)])))
		return
	case *intstr.IntOrString:
		if n%2 == 0 {
			v.Set(reflect.ValueOf(intstr.FromInt32(int32(n))))
		} else {
			v.Set(reflect.ValueOf(intstr.FromString(strconv.Itoa(n) + "%")))
		}
		return
	case *metav1.Time:
		v.Set(reflect.ValueOf(metav1.Unix(1700000000+int64(n), 0)))
		return
	case *metav1.MicroTime:
		v.Set(reflect.ValueOf(metav1.NewMicroTime(time.Unix(1700000000+int64(n), 123456000))))
		return
	case *metav1.Duration:
		v.Set(reflect.ValueOf(metav1.Duration{Duration: time.Duration(n) * time.Second}))
		return
	case *runtime.RawExtension:
		v.Set(reflect.ValueOf(runtime.RawExtension{Raw: []byte(`{"raw":` + strconv.Itoa(n) + `}`)}))
		return
	case *metav1.FieldsV1:
		v.Set(reflect.ValueOf(*metav1.NewFieldsV1(`{"f:x":{}}`)))
		return
	case *apiextensionsv1.JSON:
		v.Set(reflect.ValueOf(apiextensionsv1.JSON{Raw: []byte(`{"json":` + strconv.Itoa(n) + `}`)}))
		return
	case *apiextensionsv1.JSONSchemaPropsOrBool:
		v.FieldByName("Allows").SetBool(true)
		if n%2 == 0 && depth > 0 {
			f.fill(v.FieldByName("Schema"), depth-1)
		}
		return
	case *apiextensionsv1.JSONSchemaPropsOrArray:
		f.fill(v.FieldByName([]string{"Schema", "JSONSchemas"}[n%2]), depth)
		return
	case *apiextensionsv1.JSONSchemaPropsOrStringArray:
		f.fill(v.FieldByName([]string{"Schema", "Property"}[n%2]), depth)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if depth < 0 {
			return
		}
		for i := range v.NumField() {
			f.fill(v.Field(i), depth-1)
		}
	case reflect.Pointer:
		if depth < 0 && v.Type().Elem().Kind() == reflect.Struct {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), depth)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte("bytes-" + strconv.Itoa(n)))
			return
		}
		if depth < 0 && v.Type().Elem().Kind() == reflect.Struct {
			return
		}
		for range 1 + n%2 {
			item := reflect.New(v.Type().Elem()).Elem()
			f.fill(item, depth)
			v.Set(reflect.Append(v, item))
		}
	case reflect.Map:
		if depth < 0 && v.Type().Elem().Kind() == reflect.Struct {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for i := range 1 + n%2 {
			key := reflect.New(v.Type().Key()).Elem()
			key.SetString("key-" + strconv.Itoa(9-i))
			item := reflect.New(v.Type().Elem()).Elem()
			f.fill(item, depth)
			v.SetMapIndex(key, item)
		}
	case reflect.String:
		v.SetString("é" + strconv.Itoa(n))
	case reflect.Bool:
		v.SetBool(n%3 != 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(n) * []int64{1, -1, 1000}[n%3])
	case reflect.Float64:
		v.SetFloat(float64(n) + 0.5)
	}
}

func main() {
	depth, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var lines []string
	for _, register := range registries {
		scheme := runtime.NewScheme()
		if err := register(scheme); err != nil {
			panic(err)
		}
		for kind, t := range scheme.AllKnownTypes() {
			if t.PkgPath() == "k8s.io/apimachinery/pkg/apis/meta/v1" && kind.Group != "" {
				continue
			}
			for _, d := range []int{-1, depth} {
				object := reflect.New(t)
				if d >= 0 {
					(&filler{depth: d}).fill(object.Elem(), d)
				}
				encoder, ok := object.Interface().(message)
				if !ok {
					continue
				}
				bytes, err := encoder.Marshal()
				if err != nil {
					panic(err)
				}
				text, err := json.Marshal(object.Interface())
				if err != nil {
					panic(err)
				}
				lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s\n", kind.GroupVersion(), kind.Kind, base64.StdEncoding.EncodeToString(bytes), text))
			}
		}
	}
	sort.Strings(lines)
	for i, line := range lines {
		if i == 0 || line != lines[i-1] {
			out.WriteString(line)
		}
	}
}
