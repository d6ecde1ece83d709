"""Banks of words and phrases: who, where, when and what the tasks are about."""

from __future__ import annotations


def bank(text: str) -> tuple[str, ...]:
    """What stands between semicolons."""
    return tuple(" ".join(text.split()).split("; "))


def rows(text: str) -> tuple[tuple[str, ...], ...]:
    """Rows between double bars, their columns between arrows."""
    return tuple(tuple(row.split(" => ")) for row in " ".join(text.split()).split(" || "))


def pairs(text: str) -> dict[str, str]:
    """Rows of two columns."""
    return {row[0]: row[1] for row in rows(text)}


NAMES = bank("""
Amara; Bruno; Chiara; Dmitri; Elif; Farah; Gustav; Hana; Ivan; Jasmin; Kofi; Leila; Mateo; Nadia; Oskar; Priya;
Quentin; Rosa; Sanjay; Tomasz; Ulla; Viktor; Wanda; Xavier; Yuki; Zofia; Aisha; Bilal; Carmen; Diego; Esther; Felix;
Greta; Hugo; Ines; Jonas; Kamal; Lucia; Marek; Noor; Olga; Pablo; Ravi; Selma; Tariq; Uma; Vera; Wei; Yasmin; Zoltan;
Agnes; Boris; Clara; Daniel; Emilia; Fiona; Gabriel; Helga; Ingrid; Joel; Karla; Liam; Miriam; Nils; Otto; Petra;
Ruth; Stefan; Teresa; Vincent; Anouk; Baptiste; Celeste; Dario; Edith; Fergus; Gloria; Henrik; Isla; Jakub
""")
SURNAMES = bank("""
Adeyemi; Bauer; Castillo; Dahl; Eriksen; Fontaine; Gruber; Haddad; Ivanova; Janssen; Kowalski; Lindqvist; Moreau;
Nakamura; Okafor; Petrov; Quispe; Rossi; Sharma; Tanaka; Ueda; Vargas; Weber; Xu; Yilmaz; Zimmermann; Silva; Costa;
Brennan; Novak
""")
TOWNS = bank("""
Lisbon; Bergen; Kyoto; Cusco; Tallinn; Galway; Ghent; Porto; Accra; Hanoi; Zagreb; Malmo; Seville; Bologna; Toronto;
Perth; Nairobi; Krakow; Lyon; Leipzig; Salzburg; Utrecht; Bristol; Cardiff; Aarhus; Turku; Riga; Vilnius; Split;
Izmir; Amman; Muscat; Jaipur; Kochi; Colombo; Penang; Cebu; Busan; Sapporo; Hobart; Dunedin; Halifax; Quebec; Denver;
Austin; Oaxaca; Bogota; Quito; Valparaiso; Montevideo; Recife; Dakar; Tangier; Cairo; Mombasa; Windhoek; Durban;
Reykjavik; Inverness; Basel; Turin; Palermo; Granada; Bilbao; Nantes; Rouen; Bruges; Odense; Uppsala; Tampere
""")
TEMPERS = bank("""
a retired; a newly hired; a part-time; an experienced; an overworked; a soft-spoken; a young; a patient; a forgetful;
an ambitious; a bilingual; a cheerful; a nervous; a left-handed; a well-organised; a talkative; a shy; a semi-retired;
a curious; a meticulous; a newly qualified; a thrifty; an impatient; a self-taught; a home-loving; a stubborn
""")
ROLES = bank("""
baker; beekeeper; bus driver; florist; piano teacher; night nurse; plumber; librarian; carpenter; tour guide; dentist;
sheep farmer; wedding planner; taxi driver; school caretaker; lighthouse keeper; tailor; football coach; swimming
instructor; potter; museum guard; electrician; translator; radio host; ferry captain; gardener; accountant; pastry
chef; postal worker; vet; stonemason; yoga teacher; bookbinder; chess coach; street musician; land surveyor;
pharmacist; optician; firefighter; paramedic; cheese maker; clockmaker; puppeteer; web designer; kindergarten teacher;
bricklayer; locksmith; barber; park ranger; choir leader; train conductor; glassblower; shoemaker; history teacher;
physiotherapist; market trader; camp leader; roofer; archivist; science teacher
""")
FIRM_KINDS = bank("""
a family-run; a newly opened; a small; a busy; a popular; a tiny; a struggling; a well-known; a neighbourhood; a
student-run; a back-street; a long-established; an independent; a high-street; a three-person; an award-winning; a
mid-sized; a quiet; a fast-growing; a cooperatively owned
""")
FIRMS = bank("""
bicycle repair shop; bakery; bookshop; garden centre; guesthouse; toy shop; hardware store; dance school; dog salon;
language school; furniture workshop; coffee roastery; boat rental; print shop; travel agency; dental practice;
climbing gym; theatre; vintage clothing shop; noodle bar; cheese shop; photo studio; driving school; guitar shop;
campsite; flower shop; laundry; car wash; spice merchant; art gallery; tea room; brewery; ice cream parlour;
veterinary clinic; cookery school; electronics store; shoe repair shop; bowling alley; cinema; moving company;
cleaning company; plant nursery; publishing house; radio station; software company; insurance office; credit union;
internet provider; fabric shop; youth hostel
""")
SHOPS = bank("""
general store; hardware store; gift shop; farm shop; souvenir shop; village shop; corner shop; garden centre; discount
store; charity shop; mail-order shop; online shop; outlet store; museum shop; station kiosk; household goods shop;
harbour store; craft shop
""")
EATERIES = bank("""
noodle bar; tea room; pizzeria; bistro; fish restaurant; tapas bar; pancake house; coffee house; curry house; beer
garden; brasserie; diner; vegetarian restaurant; trattoria; steak house; wine bar
""")
WHEN = bank("""
on a rainy Saturday; at the end of March; just before closing time; during the school holidays; on the first day of
spring; after a long night shift; in the week before New Year; on a hot August afternoon; during a power cut; early on
Monday morning; on the way home from work; in the middle of moving house; after the annual inventory; on a slow train;
over the long weekend; between two meetings; at the height of the season; the day after a storm; while the kettle
boils; shortly before the summer sale; on market day; during the lunch break; after the last customer has left; on the
eve of a holiday; at the start of the new term; during a snowed-in weekend; while waiting for a connection; late on a
Sunday evening; in the first week of a new job; after the spring clean; at half past six in the morning; on a windy
autumn day; before the auditors arrive; in the quiet hour after lunch; at the beginning of the heating season; the
evening before departure
""")
GOODS = bank("""
notebooks; beeswax candles; light bulbs; teapots; paintbrushes; seed packets; wool blankets; bicycle bells; jars of
honey; soup bowls; fridge magnets; garden gloves; coat hooks; padlocks; bars of soap; chess sets; cork coasters; tent
pegs; rolls of tape; bread knives; tulip bulbs; umbrellas; wooden spoons; shoelaces; ceramic tiles; torches; lemons;
loaves of rye bread; fountain pens; cotton scarves; door handles; clay pots; postcards; cans of paint; fishing hooks;
tins of sardines; bath towels; glass beads; calendars; brass screws; lunch boxes; pine shelves; door mats; kites; oven
gloves; watering cans; oat biscuits; paper lanterns; bottles of cider; buttons
""")
GROUPS = bank("""
cousins; choir members; neighbours; camp leaders; trainees; market traders; apprentices; volunteers; rowing crews;
scout groups; new pupils; grandchildren; museum guides; lab partners; table hosts; flatmates; team captains; kitchen
helpers; weekend guests; reading groups
""")
EVENTS = bank("""
a street food evening; a seed swap; a film night; a village quiz; a retirement party; a charity concert; a book
launch; a repair workshop; a lantern workshop; a clothes swap; a pottery open day; a chess tournament; a school
reunion; a harvest festival; a jazz session; a kite workshop; a blood donation day; a housewarming party; a board game
night; a poetry reading; a baby shower; a science fair; a bake sale; a golden wedding party; a dog show; a careers
fair; a barn dance; an astronomy talk; a puppet show; a plant sale; a toy swap; a mushroom tasting; an open choir
rehearsal; a cyclists' meeting; a language exchange; a farewell reception; a coding workshop; a first aid course; a
winter market; a photography exhibition
""")
VENUES = bank("""
in the village hall; on the roof of the library; in the old fire station; by the boathouse; in the school canteen; at
the allotments; under the railway arches; in the castle courtyard; at the community centre; on the football pitch; in
the church garden; behind the town hall; at the youth club; in the apple orchard; on the harbour wall; in the museum
foyer; at the riverside inn; in the greenhouse; on the market square; in the sports hall; at the observatory; in the
disused cinema; on the top deck of the ferry; in the tram depot; at the mountain hut; in the botanical garden; on the
school playground; at the old mill; beside the duck pond; in the back room of the pub
""")
GUESTS = bank("""
new neighbours; former colleagues; parents of first-year pupils; members of the rowing club; neighbours from across
the street; retired teachers; exchange students; local shopkeepers; old schoolfriends; cousins from abroad; volunteers
of the food bank; first-time visitors; colleagues from the night shift; keen amateur astronomers; families with
toddlers; students on a tight budget; supporters of the lifeboat crew; juniors of the sports club; people new to the
town; hobby gardeners; tenants of number nine; regular customers; choir friends; members of the cycling group; young
researchers; grandparents and grandchildren; caretakers of nearby buildings; former pupils; people who live alone;
colleagues from the warehouse
""")
ASKS = bank("""
bring a folding chair; wear sturdy shoes; reply by Friday evening; mention any allergies; arrive ten minutes early;
bring a dish to share; leave pets at home; switch phones to silent; sign up at the front desk; carry small change;
dress in warm layers; bring a reusable cup; wear something yellow; keep the driveway clear; prepare a two-minute
story; bring a favourite poem; pack a torch; use the bus if possible; print the ticket beforehand; bring a recent
photograph; leave shoes at the door; confirm the number of guests; choose a song in advance; carry a water bottle;
check the noticeboard first; vote for the best costume; bring one unwanted book; help stack the chairs afterwards;
wear a name badge; ring the bell twice; hand in the form at reception; share a car with a neighbour; bring a pen;
return the key by noon; sort the rubbish afterwards; leave the front rows to the children
""")
REMEDIES = bank("""
a full refund; a voucher for the next visit; a discount of ten percent; a refund of half the price; a personal call
from the manager; a replacement at no charge; a new appointment; a basket of fruit; a credit note; a gift card; a free
second visit; a bunch of flowers; a box of chocolates; a small compensation; a discount for a whole year; a lift home;
priority treatment next time; a free cup of tea and an explanation; a corrected invoice; a talk with the owner
""")
CLAIMS = bank("""
a full refund; a replacement at no charge; a refund of half the price; a written explanation; a call from the manager;
a credit note; an apology in writing; the return of all fees; compensation of fifty dollars; an answer from the owner;
a new contract; a discount of a third
""")
FAVOURS = bank("""
watering the tomatoes; the loan of a trailer; looking after the cat; fixing the garden gate; proofreading an
application; the lift to the clinic; carrying the piano upstairs; translating the contract; teaching the children to
skate; baking the wedding cake; finding the lost wallet; collecting the parcels; repairing the old radio; covering the
late shift; hosting the book club; the tour of the harbour; shovelling the snow; sorting the family letters;
babysitting at short notice; painting the hallway; rescuing the laptop; feeding the chickens; organising the raffle;
cutting the hedge; tuning the piano; mending the winter coat; explaining the tax form; the loan of a dinner jacket;
taking the minutes; planting the apple tree
""")
TOUCHES = bank("""
a jar of plum jam; a bunch of sweet peas; a ticket for the theatre; an invitation to supper; a hand-knitted scarf; a
basket of eggs; a bottle of elderflower syrup; a loaf of walnut bread; a card from the twins; a day out on the lake; a
pot of basil; a box of dates; a candle from the market; a homemade lemon tart; an afternoon of gardening; a book of
crosswords; a tin of shortbread; a framed postcard; a week of dog walking; a bag of roasted almonds
""")
PRODUCTS = bank("""
a folding bicycle helmet; a solar reading lamp; a cast-iron pancake pan; a rainproof school bag; a bamboo desk
organiser; a quiet coffee grinder; a self-watering flower box; a pocket-sized chess set; a linen apron; a stackable
lunch box; a wind-up alarm clock; a merino travel blanket; a magnetic spice rack; a child-safe penknife; a cork yoga
mat; a recycled paper notebook; a hand-cranked radio; a collapsible kettle; a leather dog lead; a wooden shoe rack; an
insulated picnic bottle; a steel garden trowel; a foldable step stool; a beech rolling pin; a reflective running vest;
a waxed canvas tool roll; a double-sided door mat; a slim card wallet; a stoneware butter dish; a portable clothes
line
""")
AUDIENCES = bank("""
a curious seven-year-old; someone who left school at sixteen; a class of ten-year-olds; visitors to a small museum; a
grandmother who loves gardening; new apprentices in a workshop; tourists on a guided walk; a busy parent at the dinner
table; a friend who hates science; listeners of a breakfast show; a book club of nurses; readers of a parish
newsletter; a teenager who asks why about everything; an adult learner of English; guests on a whale-watching boat; a
group of scouts; passengers on a long bus ride; a panel of retired engineers; pupils who missed the lesson; a hiker
resting at a hut; the staff of a call centre; a neighbour over the garden fence; somebody recovering in hospital;
first-year students of law; customers waiting in a queue; a jury of children; a farmer with little time; a visitor
from a desert country
""")
OCCASIONS = bank("""
for the back of a cereal box; for a card in a waiting room; for the school newsletter; for a sign beside a footpath;
for a two-minute speech; for an answer in an exam; for a podcast introduction; for a bedtime chat; for a quiz show
host; for a museum label; for a letter to a pen friend; for a science club poster; for a tour guide's notebook; for a
children's almanac; for the staff magazine; for a short radio piece; for a village website; for a lesson on the first
day; for a debate club; for a card game about nature; for a volunteer handbook; for a column called Small Wonders; for
a talking point at supper; for a family calendar
""")
SUBJECTS = bank("""
the tired potter; my oldest cousin; a nervous goalkeeper; the new librarian; an elderly sailor; the village baker; our
geography teacher; a clumsy waiter; the tall surgeon; a lost tourist; the orchestra's drummer; a patient gardener; the
youngest judge; a hungry student; the night porter; an honest mechanic; the proud inventor; a barefoot dancer; the
retired pilot; a shy painter; the choir's soprano; an early customer; the absent landlord; a generous widow; the
stubborn farmer; a careful plumber; the rival captain; a famous chef; the quiet neighbour; an amateur astronomer
""")
PAST_VERBS = pairs("""
sell => sold || buy => bought || hide => hid || find => found || repair => repaired || forget => forgot || borrow =>
borrowed || lose => lost || polish => polished || steal => stole || bring => brought || choose => chose || paint =>
painted || break => broke || carry => carried || clean => cleaned || return => returned || wrap => wrapped || drop =>
dropped || describe => described || admire => admired || sketch => sketched || weigh => weighed || lend => lent
|| examine => examined || keep => kept
""")
PARTICIPLES = {"hid": "hidden", "forgot": "forgotten", "stole": "stolen", "chose": "chosen", "broke": "broken"}
OBJECTS = bank("""
a copper lamp; the green umbrella; a wooden flute; the heavy suitcase; a silver spoon; the broken clock; a velvet
curtain; the last ticket; a basket of pears; the rusty anchor; a leather notebook; the spare key; a porcelain cup; the
faded flag; a box of matches; the marble statue; a pair of skates; the antique mirror; a bundle of letters; the golden
trophy; a jar of olives; the stone bench; a woollen hat; the cracked bell; a crate of oranges; the tiny violin; a
striped parasol; the iron gate; a crystal vase; the torn sail
""")
PLAIN_SPOTS = bank("""
behind the station; near the fountain; in the attic; on the terrace; beside the canal; under the stairs; outside the
bakery; at the border; in the lighthouse; on the beach; between the tents; next to the chapel; in a dark cellar; along
the coast; by the reception desk; at the flea market; inside the barn; across the street; above the shop; in the
courtyard; before breakfast; after the concert; during the storm
""")
SPOTS = PLAIN_SPOTS + bank("""
on Tuesday; at midnight; before the match; on the last day; in the rain; after lunch; without a word
""")
WORDS = bank("""
violin; tea; carpet; moon; harbour; pencil; winter; orange; ladder; castle; mirror; button; thunder; olive; rocket;
kitchen; feather; granite; island; jacket; kettle; lantern; meadow; needle; oyster; pepper; quarry; ribbon; saddle;
tunnel; umbrella; village; walnut; yacht; zebra; anchor; basket; candle; desert; engine; forest; garden; hammer;
insect; jungle; kingdom; lemon; marble; nutmeg; oven; parrot; quilt; river; silver; timber; valley; window; yeast;
almond; bridge; copper; dragon; eagle; fiddle; glacier; honey; ivory; jewel; lobster; magnet; nest; orchard; pirate;
raven; sugar; tiger; vinegar; whistle; apron; barrel; cotton; dolphin; elbow; furnace; goblet; hedge; igloo; jigsaw;
lizard; mustard; napkin; opal; puzzle; quiver; radish; sponge; trumpet; velvet; wagon; acorn
""")
CATEGORIES: dict[str, tuple[str, ...]] = {
    "fruit": bank("apple; pear; cherry; plum; mango; banana; peach; apricot; papaya; quince; fig; melon"),
    "tool": bank("hammer; saw; chisel; screwdriver; wrench; pliers; spanner; plane; drill"),
    "musical instrument": bank("violin; cello; flute; trumpet; oboe; harp; clarinet; tuba; banjo; bassoon; accordion"),
    "bird": bank("sparrow; heron; owl; robin; swallow; magpie; finch; pelican; stork; wren; falcon"),
    "metal": bank("iron; copper; zinc; tin; nickel; silver; gold; lead; aluminium; titanium"),
    "vehicle": bank("lorry; tram; bus; scooter; bicycle; ferry; van; taxi; tractor; motorcycle"),
    "vegetable": bank("carrot; leek; spinach; cabbage; parsnip; celery; turnip; broccoli; kale; beetroot"),
    "item of clothing": bank("scarf; jacket; trousers; blouse; sock; coat; skirt; glove; cardigan; shirt"),
    "country": bank("Portugal; Kenya; Norway; Peru; Japan; Egypt; Chile; Vietnam; Estonia; Ghana; Canada"),
    "piece of furniture": bank("wardrobe; sofa; armchair; bookcase; stool; table; bench; cupboard; desk; dresser"),
    "tree": bank("oak; birch; willow; maple; beech; spruce; poplar; larch; elm; alder"),
    "fish": bank("salmon; trout; herring; cod; tuna; mackerel; carp; pike; sardine; haddock"),
    "sport": bank("rugby; tennis; judo; hockey; rowing; fencing; archery; volleyball; badminton; cricket"),
    "weather word": bank("drizzle; hail; fog; thunder; sleet; breeze; frost; snow; sunshine; mist"),
}
FEEDBACK = bank("""
comment cards; online reviews; short emails; text messages; survey answers; guest book entries; forum posts; notes
from the suggestion box; chat messages; replies to the newsletter; voicemail transcripts; postcards
""")
TRIPS = bank("""
a week of hut-to-hut hiking; a night on a sleeper train; a canoe trip down a slow river; a weekend at the seaside; a
move to a smaller flat; a school visit to the planetarium; a winter day on skis; a business trip of three days; a
cycling tour along a canal; a month as an au pair; a first visit to the opera; a bird-watching morning; a hospital
stay of four days; a garden party for fifty; a house swap with strangers; a three-day language camp; a job interview
in another town; a sailing course for beginners; a camping night with children; a long drive with an old dog; a flea
market stall; a marathon in spring; a baking day with six children; a winter without central heating
""")
CHORES = bank("""
baking rolls for the neighbours; an hour of Spanish; a walk by the river; sorting old photographs; answering letters;
cleaning the oven; practising the cello; weeding the front garden; a visit to the optician; mending two shirts;
reading to a grandchild; a swim at the outdoor pool; phoning the landlord; painting the fence; cooking a pot of soup;
a nap; testing a new recipe; sharpening the kitchen knives; a stroll through the market; tidying the shed; writing a
diary page; repairing a puncture; a game of chess; planning the week's meals
""")
CUSTOMERS = bank("""
visitors; orders; phone calls; bookings; new members; repairs; loans; parcels; complaints; newsletter readers;
vouchers sold; test lessons; guests; returned items; questions by email; online sales
""")
MONTHS = bank("January; February; March; April; May; June; July; August; September; October; November; December")
WEEKDAYS = bank("Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday")
PURPOSES = bank("""
who is filling in a customs form; who writes a travel blog; who reads an old ship's log; who prepares a quiz; who is
checking a delivery note; who teaches an evening class; who is translating a manual; who reads a foreign catalogue;
who is marking homework; who has to settle a bet; who updates a website; who is solving a riddle; who writes for a
children's almanac; who is checking a colleague's sums; who studies for an exam; who edits a textbook; who is copying
an old notebook; who keeps the club's records
""")
DISHES = bank("""
plum cake; potato gratin; fish pie; apple crumble; lemon tart; onion tart; rice pudding; pumpkin bread; noodle
casserole; walnut biscuits; vegetable lasagne; cheese scones; cinnamon rolls; stuffed peppers; roast parsnips; ginger
cake
""")
INGREDIENTS = bank("""
flour; sugar; butter; red lentils; potatoes; rice; chickpeas; onions; carrots; walnuts; oats; spinach; mushrooms;
grated cheese; plums; noodles
""")
QUALITIES = bank("""
patience with customers; a driving licence; a steady hand; good spoken Spanish; an eye for colour; experience with
children; a head for figures; the will to work at weekends; a friendly telephone voice; physical stamina; neat
handwriting; basic bookkeeping; a love of animals; knowledge of local history; a sense of humour; skill with tools
""")
PERKS = bank("""
free lunch every day; a four-day week; a rail pass; a room above the shop; paid training; two extra days of holiday; a
share of the profits; flexible hours in the school holidays; a company bicycle; free use of the workshop; a language
course; a warm, quiet workplace
""")
STORY_THINGS = bank("""
a key that fits no door; a letter dated tomorrow; a suitcase full of sand; a clock that runs backwards; an umbrella
that hums; a photograph of a stranger; a single red glove; a ticket to nowhere; a parrot that knows the password; a
cake with a note inside; a compass that points to people; a coat with somebody else's name; a chessboard in mid-game;
a jar of snow in July; a violin without strings; a menu in an unknown language; a lamp that will not go out
""")
GIFTS: dict[str, str] = {
    "collects old stamps": "a magnifying glass with a light",
    "keeps bees": "a sturdy hive tool",
    "sings in two choirs": "a leather folder for sheet music",
    "has just learned to knit": "two balls of undyed wool",
    "repairs clocks": "a set of fine screwdrivers",
    "bakes sourdough": "a proving basket",
    "walks long distances": "a pair of merino socks",
    "grows chillies": "seeds of a rare variety",
    "plays chess by post": "a handsome set of postcards",
    "studies the stars": "a red-light torch",
    "restores a sailing boat": "a good tin of varnish",
    "reads crime novels": "a novel by a local author",
    "swims in cold lakes": "a warm changing robe",
    "speaks five languages": "a phrase book of a sixth language",
    "brews cider": "a set of swing-top bottles",
    "keeps a diary": "a linen-bound notebook",
}
RELATIVES = bank("""
a brother-in-law; a favourite aunt; a new flatmate; a shy colleague; a godchild; a former teacher; a neighbour; a
grandfather of eighty; an old friend; a stepdaughter; a cousin; a pen friend; a twin sister; a godfather
""")
CONTACTS = bank("""
call the front desk; use the form on the website; leave a message with the caretaker; write again next week; ask the
trainee for help; post the documents as usual; ring the emergency number on the door; try the branch in the next
street; speak to the deputy manager; text the number on the website; look at the list of common questions; leave word
on the answering machine
""")
JOBS = bank("""
receptionist; bookkeeper; delivery driver; night watchman; trainee; caretaker; sales assistant; cleaner; part-time
helper; weekend manager; customer adviser; workshop assistant; warehouse clerk; social media editor; floor manager;
junior buyer; personal assistant; stand-in cashier
""")
MEALS = bank("""
a camp supper; a school lunch; a birthday brunch; a harvest buffet; a picnic by the lake; a late breakfast; a street
party; a winter soup kitchen; a church bazaar; a farmers' lunch; a cookery course; a midnight snack bar; a hostel
dinner; a village feast; a garden party; a soup day
""")
FUNCTION_VERBS = bank("""
check; process; pick; clean; solve; handle; tidy; compute; prepare; make; apply; inspect; transform; parse; convert;
review
""")
